/* A disk whose syncs take longer: loaded before the C library (LD_PRELOAD), these stand in for its own two. */

#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Makes the system call, then sleeps for as many microseconds as SLOW_SYNC_US says. */
static int slow(long call, int file) {
    const char *text = getenv("SLOW_SYNC_US");
    long extra = text ? atol(text) : 0;
    struct timespec pause = {extra / 1000000, extra % 1000000 * 1000};
    int outcome = (int)syscall(call, file);
    nanosleep(&pause, NULL);
    return outcome;
}

int fsync(int file) { return slow(SYS_fsync, file); }

int fdatasync(int file) { return slow(SYS_fdatasync, file); }
