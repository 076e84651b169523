/* sendmsg(), recvmsg(), sendmmsg(), recvmmsg(). */
#include "program.h"

int main(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct timeval limit = { .tv_sec = 10 };
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    socklen_t length;
    struct sockaddr_storage to = address_of(SERVICE, ECHO, &length), other = address_of("10.99.0.2", ECHO, &length), from[3];
    char buffer[3][64], ctrl[3][64];
    struct iovec out[2] = { { "first ", 6 }, { "message", 7 } }, in[3];
    struct msghdr message = { .msg_name = &to, .msg_namelen = length, .msg_iov = out, .msg_iovlen = 2 };
    CHECK(sendmsg(fd, &message, 0) == 13);
    CHECK(message.msg_name == &to && message.msg_namelen == length);
    printf("still to %s\n", text_of(&to));
    in[0] = (struct iovec){ buffer[0], sizeof buffer[0] };
    struct msghdr answer = { .msg_name = &from[0], .msg_namelen = sizeof from[0], .msg_iov = in, .msg_iovlen = 1 };
    ssize_t got = recvmsg(fd, &answer, 0);
    CHECK(got > 0);
    printf("%.*s from %s, %d bytes\n", (int)got, buffer[0], text_of(&from[0]), (int)answer.msg_namelen);

    struct mmsghdr messages[2];
    memset(messages, 0, sizeof messages);
    messages[0].msg_hdr = message;
    messages[1].msg_hdr = message;
    messages[1].msg_hdr.msg_name = &other;
    CHECK(sendmmsg(fd, messages, 2, 0) == 2);
    printf("sent %u and %u bytes\n", messages[0].msg_len, messages[1].msg_len);

    struct mmsghdr answers[3];
    memset(answers, 0, sizeof answers);
    bool seen[2] = { false, false };
    for (int have = 0; have < 2;) {
        for (int i = 0; i < 3; i++) {
            in[i] = (struct iovec){ buffer[i], sizeof buffer[i] };
            answers[i].msg_hdr = (struct msghdr){ .msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &in[i], .msg_iovlen = 1,
                .msg_control = ctrl[i], .msg_controllen = sizeof ctrl[i] };
        }
        int count = recvmmsg(fd, answers, 3, MSG_WAITFORONE, NULL);
        CHECK(count > 0);
        for (int i = 0; i < count; i++) {
            CHECK(answers[i].msg_len == 18 && memcmp(buffer[i], "echo:first message", 18) == 0);
            bool second = ((struct sockaddr_in *)&from[i])->sin_addr.s_addr == ((struct sockaddr_in *)&other)->sin_addr.s_addr;
            CHECK(second || ((struct sockaddr_in *)&from[i])->sin_addr.s_addr == ((struct sockaddr_in *)&to)->sin_addr.s_addr);
            seen[second] = true;
        }
        have += count;
    }
    CHECK(seen[0] && seen[1]);

    /* Without an address, on a stream. */
    int stream = dial(SOCK_STREAM, SERVICE, ECHO);
    CHECK(stream >= 0);
    message.msg_name = NULL;
    message.msg_namelen = 0;
    CHECK(sendmsg(stream, &message, MSG_NOSIGNAL) == 13);
    puts("done");
    return 0;
}
