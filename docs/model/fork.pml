/* fork.pml: what belongs to an open file description, not to a process.
 *
 * Two tasks append a record each and ask lseek where it ended.  The position
 * belongs to the description.
 *   (default)  every handle has a description of its own
 *   MUTEX      threads share one, a mutex around {writev, lseek}
 *   SHARED     C27: they share it without; after a fork the mutex is two
 *              mutexes, so this is also what a forked child would do
 * An OFD lock belongs to the description as well.
 *   LOCKFORK   C28: its owner forks and is killed, the child keeps the lock
 *   ATFORK     with LOCKFORK: the child closes the descriptor first thing (F1)
 */
#ifndef LOCKFORK
byte size, pos[2]; bit mutex;
proctype Task(byte f) {
  byte mine, told;
#ifdef MUTEX
  atomic { !mutex -> mutex = 1 };
#endif
  atomic { size++; pos[f] = size; mine = size };     /* writev */
  told = pos[f];                                     /* lseek */
#ifdef MUTEX
  mutex = 0;
#endif
  assert(told == mine)
}
init {
  atomic {
    run Task(0);
#if defined(SHARED) || defined(MUTEX)
    run Task(0)
#else
    run Task(1)
#endif
  }
}
#else
byte refs; bit locked;        /* descriptors of the locked description */
inline close_it() { atomic { refs--; if :: refs == 0 -> locked = 0 :: else fi } }
proctype Child() {            /* never asked for the journal, lives for ever */
#ifdef ATFORK
  close_it()
#else
end: false
#endif
}
proctype Parent() {
  atomic { !locked -> locked = 1; refs = 1 };
  atomic { refs++; run Child() };
  close_it()                  /* SIGKILL */
}
proctype Other() { atomic { !locked && refs == 0 -> skip } }   /* blocks: invalid end state */
init { atomic { run Parent(); run Other() } }
#endif
