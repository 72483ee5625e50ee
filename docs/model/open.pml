/* open.pml: who may initialise the control file, and when.
 *
 * What the last boot left at the path is garbage.  Whoever uses the file must
 * find it initialised, and nobody may initialise it again under a live handle.
 * NP handles open and close it twice; MAXD deaths.
 *
 * SCHEMES
 *   (default)  the one that is built: the name contains the boot id, the file
 *              is filled in without a name and linked when complete.  No lock.
 *   CTLRM      ... and somebody removes the control file once
 *   PRESENCE   a mutex for openers plus a lock that says "somebody is here";
 *              the fallback where there is no boot id
 * MISTAKES
 *   DRAFT      C23  try an exclusive lock; got it: initialise, turn it into a
 *                   shared one; not: wait for a shared lock, use the file
 *   SHFIRST    C24  shared lock first, then try to make it exclusive
 *   DRAFT FLOCK   C25  flock(2) lets go while it converts
 *   DRAFT LOCKRM, PRESENCE LOCKRM  C26  somebody removes the lock file
 */
#ifndef NP
#define NP 3
#endif
#ifndef MAXD
#define MAXD 2
#endif
#define GARBAGE 0
#define HALF    1
#define READY   2
#define NCTL    (2*NP+2)
byte state[NCTL]; byte inits[NCTL]; byte nctl = 1;  /* inode 0: the last boot's */
byte path;                    /* inode+1 at this boot's name, 0 for none */
bit ex[2]; byte sh[2]; byte lockfile; bit mutex;     /* removing LOCK makes a second one */
byte deaths, ndone;
#define DIE atomic { deaths < MAXD -> deaths++; goto dead }

inline initialise() {         /* takes time, and can be cut off */
  if :: state[m] = HALF :: DIE fi;
  if :: atomic { state[m] = READY; inits[m]++ } :: DIE fi
}
inline to_shared() {
#ifdef FLOCK
  if :: atomic { ex[l] = 0; hex = 0 } :: DIE fi;
  if :: atomic { !ex[l] -> sh[l]++; hsh = 1 } :: DIE fi
#else
  if :: atomic { ex[l] = 0; hex = 0; sh[l]++; hsh = 1 } :: DIE fi
#endif
}

proctype Handle() {
  byte m, was, round, l; bit hex, hsh, hmx;
again:
  atomic { if :: round == 2 -> goto leave :: else -> round++; m = 0; l = lockfile fi };
#if defined(PRESENCE)
  if :: atomic { !mutex -> mutex = 1; hmx = 1 } :: DIE fi;
  if
  :: atomic { !ex[l] && !sh[l] -> ex[l] = 1; hex = 1 }
  :: atomic { sh[l] -> sh[l]++; hsh = 1; goto here }
  :: DIE
  fi;
  initialise();
  to_shared();
here:
  if :: atomic { mutex = 0; hmx = 0 } :: DIE fi;
#elif defined(SHFIRST)
  if :: atomic { !ex[l] -> sh[l]++; hsh = 1 } :: DIE fi;
  if
  :: atomic { sh[l] == 1 -> sh[l] = 0; hsh = 0; ex[l] = 1; hex = 1 }
  :: atomic { sh[l] > 1 -> goto use }
  :: DIE
  fi;
  initialise();
  to_shared();
#elif defined(DRAFT)
  if
  :: atomic { !ex[l] && !sh[l] -> ex[l] = 1; hex = 1 }
  :: atomic { ex[l] || sh[l] -> goto wait_ }
  :: DIE
  fi;
  initialise();
  was = inits[m];
  to_shared();
  assert(inits[m] == was);
  goto use;
wait_:
  if :: atomic { !ex[l] -> sh[l]++; hsh = 1 } :: DIE fi;
#else
  if
  :: atomic { path -> m = path-1; goto use }
  :: atomic { !path -> m = nctl; nctl++ }                     /* O_TMPFILE */
  :: DIE
  fi;
  initialise();
  if
  :: atomic { !path -> path = m+1 }                           /* linkat */
  :: atomic { path -> m = path-1 }                            /* EEXIST: that one, then */
  :: DIE
  fi;
#endif
use:
  atomic { assert(state[m] == READY); was = inits[m] };
  if :: true :: DIE fi;
  assert(state[m] == READY && inits[m] == was);
  if :: atomic { if :: hsh -> sh[l]--; hsh = 0 :: else fi; was = 0; goto again } :: DIE fi;
dead:
  atomic {
    if :: hex -> ex[l] = 0 :: else fi;
    if :: hsh -> sh[l]-- :: else fi;
    if :: hmx -> mutex = 0 :: else fi };
leave:
  ndone++
}

#if defined(LOCKRM) || defined(CTLRM)
proctype Admin() {
  if
#ifdef LOCKRM
  :: lockfile = 1
#else
  :: path = 0
#endif
  :: ndone == NP
  fi
}
#endif

init {
  atomic {
    byte p = 0;
    do :: p < NP -> run Handle(); p++ :: else -> break od;
#if defined(LOCKRM) || defined(CTLRM)
    run Admin()
#endif
  }
}
