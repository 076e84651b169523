/* Whether a program that is about to be started will have the shim in it. */
#ifndef TELEPRESENCE_INSPECT_H
#define TELEPRESENCE_INSPECT_H

/* Tells the agent if not, so that nothing is outside the cluster in silence. A name without a slash is looked for in PATH. */
void inspect_program(const char *name);

#endif
