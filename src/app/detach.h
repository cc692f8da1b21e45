/*
 * detach.h - a process that goes on behind the command that started it: that one ends when it is
 * told that all is well, or with the exit code of the other when that one fails before.
 *
 *   Thread   detach_fork: before there are threads. detach_done: any.
 */
#ifndef APP_DETACH_H
#define APP_DETACH_H

/* Returns -1 in the new process, in a session of its own, with the descriptor for detach_done; in
 * the old one what to exit with, when that is known. */
int detach_fork(int *fd);
/* Lets the old process end with 0. Closes `fd`. */
void detach_done(int fd);

#endif
