#define _GNU_SOURCE
#include "hook.h"

/*
 * Filled by the constructor and read-only after. Another library's constructor may call a hook before ours has run: then the function is
 * looked up on the spot, by any number of threads, with the same result.
 */
static void *functions[REAL_COUNT];

static const char *const names[REAL_COUNT] = {
#define X(name) #name,
    REAL_FUNCTIONS(X)
#undef X
};

void *real_function(enum real_name name)
{
    void *function = __atomic_load_n(&functions[name], __ATOMIC_RELAXED);
    if (function == NULL) {
        function = dlsym(RTLD_NEXT, names[name]);
        __atomic_store_n(&functions[name], function, __ATOMIC_RELAXED);
    }
    return function;
}

void real_settle(void)
{
    for (int name = 0; name < REAL_COUNT; name++)
        real_function((enum real_name)name);
}
