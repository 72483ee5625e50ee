/* sync.pml: group commit, roll, control file, write-back errors, recovery.
 *
 * The composition that is built: segment n+1 may be used while up to AHEAD
 * older segments are not on disk yet, and a segment is sealed by fallocate,
 * which only lifts its size to LIM.  So no offset says "n is over": a writev
 * that straddles LIM ends somewhere behind it.  The watermark therefore has a
 * symbolic end, (s, END), and the question is who may write that down.
 *
 * CELLS.  A segment has LIM cells, and one more for the record that starts in
 * the last of them: that one is two cells long and its writev takes two steps
 * under the inode lock, so a fdatasync can fall in the middle of it.
 *   DIRTY  in the page cache only            SAFE  on disk
 *   LOST   write-back failed: the page is clean, the disk has something else
 *   GONE   as LOST, and the page has left the cache: readers see the damage
 *
 * errseq_t.  An inode counts its write-back errors; every descriptor that is
 * open reports each of them once.  A descriptor opened later reports an error
 * only if nobody has seen it so far.
 *
 * POWER is never cut.  Instead each "yes" asserts that a cut at this moment
 * would lose nothing up to that position, names included (durable()).
 *
 * CONTROL FILE words: act (highest segment whose name is known durable), syn
 * (the watermark), att and ok (number of the last fdatasync begun, and of the
 * last one known good), bad (sticky).  The path is an inode number, 'cur'.
 *
 * SIZE      NP handles with K records each (K1: each but the first; K2: the
 *           last), LIM, NSEG, NCTL, AHEAD (the b of the protocol), MAXD deaths
 *           at any step, MAXE write-back errors.
 * VARIANTS  (none of these is a mistake)
 *   SHORT     every record is one cell          LONG  every record is two
 *   LAZY      an append may be acknowledged and left unsynced
 *   LAZY0     with LAZY: only the first record of handle 0, and always
 *   MORTAL=j  only handle j may die
 *   BG        whoever seals n may at once sync all of it, (n, END)
 *   RESEAL    whoever completes an older segment calls the seal on it again
 *   RECOVER   handles build a new control file when theirs is of no use;
 *             those below RECFROM give up instead
 *   RECSYN    ... copying only what the old watermark does not cover
 *   RMCTL     somebody removes the control file, once
 *   EVICT     an inode that nobody has open may be forgotten by the kernel
 *   DROP      a LOST page may have left the cache when recovery copies it
 *   DEFERDIR  the sync, not the roll, makes names durable
 *   SETTLE    a handle that finds its control file replaced first runs the
 *             ordinary sync on the old one, for what it still owes
 *   REACH=1..4  not a mistake either: asserts that SETTLE never says "yes" with
 *             no control file at the path (1), with a new one there (2), in the
 *             middle of a recovery (3), or never says "no" (4).  All four fail,
 *             which shows that SETTLE's passes are not about nothing.
 * MISTAKES
 *   GLOBALPOS C14  NOTRUST C15   ATTEARLY C16  TRUSTATT C17  EAFTER C18
 *   ROLLNOSYNC C19 NODIRSYNC C20 INPLACE C21   NOCHECK C22, C51
 *   POSLIM C40     SKIPOLD C42   ATTONCE C43   NEWFIRST C44  A0FIRST C45
 *   NOPIN C46      PINLATE C47   VTOP C48      VBOUND C49    NODIR C50
 *   ENDEARLY   (s, END) on behalf of one's own segment, unsealed
 *   NOREPORT   a handle that changes control files forgets what it owes
 *   SETTLENEW  SETTLE with descriptors opened afresh, by name
 *   SETTLELATE SETTLE after changing over: asks the new control file
 */
#ifndef NP
#define NP 2
#endif
#ifndef K
#define K 1
#endif
#ifndef K1
#define K1 K
#endif
#ifndef K2
#define K2 K1
#endif
#define RECORDS (me == 0 -> K : (me < NP-1 -> K1 : K2))
#ifndef MAXD
#define MAXD 1
#endif
#ifndef MAXE
#define MAXE 1
#endif
#ifndef LIM
#define LIM 1
#endif
#ifndef NSEG
#define NSEG 4
#endif
#ifndef NCTL
#define NCTL 4
#endif
#ifndef RECFROM
#define RECFROM 0
#endif
#ifndef AHEAD
#define AHEAD 0
#endif
#define FREE  0
#define DIRTY 1
#define SAFE  2
#define LOST  3
#define GONE  4
#define LC   (LIM+1)          /* cells that can hold a piece of a valid record */
#define FULL (LIM+2)          /* sizes saturate here */
#define NONE 255
#define MAX(a,b) ((a) > (b) -> (a) : (b))

#if defined(SHORT) || defined(GLOBALPOS)
#define LEN(st) 1
#elif defined(LONG)
#define LEN(st) 2
#else
#define LEN(st) ((st) == LIM-1 -> 2 : 1)
#endif

/* Positions: (segment, offset) in one byte, ordered. */
#ifdef GLOBALPOS
#define POS(s,e)  ((s)*LIM+(e))
#define SEG(p)    (((p)-1)/LIM)
#define END       LIM
#define FIRSTOPEN n
#else
#define POS(s,e)  ((s)*16+(e))
#define SEG(p)    ((p)/16)
#define END       15
#ifdef POSLIM                 /* takes size >= LIM for the end of a segment */
#define OVER(p)   ((p)%16 >= LIM)
#define TARGET    LIM
#else
#define OVER(p)   ((p)%16 == END)
#define TARGET    END
#endif
#define FIRSTOPEN (SEG(syn[m])+(OVER(syn[m]) -> 1 : 0)) /* LO(syn): oldest segment not all on disk */
#endif
#ifndef TARGET
#define TARGET END
#endif

byte cell[NSEG*LC]; byte owner[NSEG*LC];     /* ghost: 1 + who must be told the truth */
byte sz[NSEG]; bit il[NSEG];                  /* size; a writev is under way */
byte ec[NSEG]; bit seen[NSEG]; byte errs;     /* errseq_t */
byte pins[NSEG];                              /* descriptors of the inode */
byte copy[NSEG]; bit hurt[NSEG*LC];           /* V5: 1 renamed, 2 durably; damage copied along */
bit name[NSEG]; bit namedur[NSEG]; byte newest;
byte act[NCTL]; byte syn[NCTL]; byte att[NCTL]; byte ok[NCTL]; bit bad[NCTL];
bit lock[NCTL];                               /* the sync lock is a lock on that inode */
byte cur; byte nctl = 1; bit dirEX;
byte deaths, ndone;
byte top[NP];                                /* ghost: handle is attached, 1 + its segment */
byte wound[NP];                               /* ghost: first damage that happened meanwhile */

#ifdef MORTAL
#define MAYDIE (deaths < MAXD && me == MORTAL)
#else
#define MAYDIE (deaths < MAXD)
#endif
#define DIE atomic { MAYDIE -> deaths++; goto dead }

/* ---- the kernel ---- */
inline open_fd(s, f, h) {     /* open(2) by name: the copy, once there is one */
  if
  :: copy[s] -> h = 2; f = 0
  :: else -> h = 1; f = (seen[s] -> ec[s] : 0); pins[s]++
  fi
}
inline close_below(lim_) {
  x = 0;
  do
  :: x < NSEG && x < lim_ ->
     if :: have[x] == 1 -> pins[x]-- :: else fi;
     have[x] = 0; fd[x] = 0; a0[x] = 0; x++
  :: else -> break
  od;
  x = 0
}
inline write_back(s, result) {/* all dirty pages of s go to disk, or all fail */
  x = 0;
  do
  :: x < LC -> if :: cell[(s)*LC+x] == DIRTY -> cell[(s)*LC+x] = result :: else fi; x++
  :: else -> break
  od;
  x = 0;
  if
  :: result == LOST -> errs++; if :: ec[s] == 0 || seen[s] -> ec[s]++; seen[s] = 0 :: else fi
  :: else
  fi
}
inline report(s, f) {         /* r: this descriptor gets EIO */
  if :: ec[s] != f -> seen[s] = 1; f = ec[s]; r = 1 :: else -> r = 0 fi
}
inline fsync_dir() {          /* new names, and recovery's renames */
  x = 0;
  do
  :: x < NSEG -> namedur[x] = name[x]; if :: copy[x] == 1 -> copy[x] = 2 :: else fi; x++
  :: else -> break
  od;
  x = 0
}

/* ---- ghosts ---- */
inline damage(s, x) {         /* a cell of s stops being readable */
  y = 0;
  do
  :: y < NP -> if :: top[y] > s && POS(s,x+1) < wound[y] -> wound[y] = POS(s,x+1) :: else fi; y++
  :: else -> break
  od;
  y = 0
}
/* A "yes" for p: every cell up to p outlives a power cut.  While a copy is
 * renamed but the directory not yet synced (1) either inode may come back.
 * Damage readers can see already is no lie, unless it is one's own record or
 * it happened while this handle was attached. */
#define KEPT(c,s) ((copy[s] == 2 || cell[c] == SAFE) && (copy[s] == 0 || !hurt[c]))
inline durable(p) {
  y = 0;
  do
  :: y <= SEG(p) ->
     assert(namedur[y]);
     x = 0;
     do
     :: x < LC && POS(y,x+1) <= p ->
        lost = !(cell[y*LC+x] == FREE || KEPT(y*LC+x, y) ||
                 (owner[y*LC+x] != me+1 && (hurt[y*LC+x] || cell[y*LC+x] == GONE)));
        assert(!lost); x++
     :: else -> break
     od;
     y++
  :: else -> break
  od;
  x = 0; y = 0;
  lost = (wound[me] <= p); assert(!lost)
}
inline disown() {             /* the caller was told "outcome unknown" */
  x = 0;
  do
  :: x < NSEG*LC -> if :: owner[x] == me+1 -> owner[x] = 0 :: else fi; x++
  :: else -> break
  od;
  x = 0
}

/* ---- the rules that have variants ---- */
#ifdef ATTEARLY
#define SAMPLE e
#elif defined(A0FIRST)
#define SAMPLE af
#else
#define SAMPLE att[m]
#endif
#ifdef NOTRUST
#define TRUSTED true
#elif defined(TRUSTATT)
#define TRUSTED (att[m] == ok[m] || a0[s] < att[m])
#else
#define TRUSTED (a0[s] <= ok[m])
#endif
#ifdef NODIR
#define DEFERDIR
#endif
#ifdef ROLLNOSYNC
#define SKIPOLD
#define VBOUND
#endif
#if defined(GLOBALPOS) || defined(SKIPOLD)
#define NEXTSEG n
#elif defined(NEWFIRST)
#define NEXTSEG (pass == 0 && !roll -> n : FIRSTOPEN)
#elif defined(POSLIM)
#define NEXTSEG (FIRSTOPEN > n -> n : FIRSTOPEN)
#else
#define NEXTSEG FIRSTOPEN
#endif
/* May I write down (s, END)?  Yes if I saw the name s+1, since whoever links
 * it has had a successful seal on s before; or if I sealed s myself. */
#if defined(GLOBALPOS) || defined(POSLIM)
#define COMPLETE false
#elif defined(ENDEARLY)
#define COMPLETE (s < n || sealed || sz[s] >= LIM)
#else
#define COMPLETE (s < n || sealed)
#endif
inline sample_all() {         /* a0 of everything just opened */
  x = 0;
  do
  :: x < NSEG -> if :: have[x] && a0[x] == NONE -> a0[x] = SAMPLE :: else fi; x++
  :: else -> break
  od;
  x = 0
}

/* A death counts wherever it leaves something different behind: after an
 * append, after each store to shared words, between any two steps of a roll or
 * a recovery.  Steps that only change locals are glued to their neighbours. */
inline choose() {             /* S3: which segment next, and is my descriptor good? */
  s = NEXTSEG;
#if defined(NOPIN) || defined(PINLATE)
  y = s;
  do
  :: y <= n -> if :: !have[y] -> open_fd(y, fd[y], have[y]); a0[y] = NONE :: else fi; y++
  :: else -> y = 0; break
  od;
  sample_all();
#endif
  assert(have[s]);
  if                          /* ok stands still: I have the lock */
  :: !TRUSTED -> lock[m] = 0; hold = 0; s = 0; pass = 0; goto no
  :: else
  fi
}

proctype Handle(byte me) {
  byte m, n, k, s, e, pass, want, owed, x, y;
  bit r, roll, sealed, hold, hex, settle, unknown, lost;
  byte have[NSEG]; byte fd[NSEG]; byte a0[NSEG];
#ifdef A0FIRST
  byte af;
#endif

attach: atomic {                       /* O1 */
    close_below(NSEG); top[me] = 0; wound[me] = NONE; m = 0; n = 0;
    roll = 0; sealed = 0; want = 0; owed = 0; settle = 0; s = 0; e = 0; pass = 0;
#ifdef A0FIRST
    af = NONE
#endif
  };
  if
  :: atomic { cur != NONE && !bad[cur] -> m = cur; n = act[m] }
  :: atomic { cur == NONE || bad[cur] -> m = cur;
#ifdef RECOVER
       if :: me >= RECFROM -> goto recover :: else -> goto leave fi
#else
       goto leave
#endif
     }
  :: DIE
  fi;

enter: atomic {                        /* R7: open all that is not on disk, up to n */
#ifdef ATTEARLY
    e = att[m];
#endif
#if defined(NOPIN)
    close_below(n); s = n
#elif defined(PINLATE)
    s = n
#else
    s = FIRSTOPEN; close_below(s)                                    /* R8 */
#endif
  };
  do
  :: atomic { if :: !have[s] -> open_fd(s, fd[s], have[s]); a0[s] = NONE :: else fi; s++;
       if :: s > n -> s = 0; break :: else fi }
  od;
  atomic {                    /* only now: an attempt in between must count */
#ifdef A0FIRST
    if :: af == NONE -> af = att[m] :: else fi;
#endif
    sample_all(); e = 0 };
#ifndef NOCHECK
  if                          /* is my control file still the one at the path? */
  :: cur == m
  :: atomic { cur != m && owed == 0 -> goto attach }
  :: atomic { cur != m && owed != 0 ->
#if defined(SETTLE) || defined(SETTLENEW)
       settle = 1; sealed = 0; want = owed; n = SEG(owed);
#ifdef SETTLENEW
       close_below(NSEG); s = FIRSTOPEN;
       do
       :: s <= n -> open_fd(s, fd[s], have[s]); a0[s] = att[m]; s++
       :: else -> s = 0; break
       od;
#endif
       goto sync
#else
#ifdef SETTLELATE
       if
       :: cur != NONE -> n = SEG(owed); if :: syn[cur] >= owed -> durable(owed) :: else fi
       :: else
       fi;
#endif
       unknown = 1; goto attach
#endif
     }
  :: DIE
  fi;
#endif
  d_step {                    /* nobody appends under a name that may vanish */
#if !defined(NODIRSYNC) && !defined(DEFERDIR)
    if :: act[m] < n -> fsync_dir(); act[m] = n :: else fi;
#endif
    top[me] = n+1
  };

append:
  if
  :: atomic { k == RECORDS -> goto leave }
  :: atomic { k < RECORDS && !il[n] && sz[n] < LIM ->                      /* writev */
       e = LEN(sz[n]); want = POS(n, sz[n]+e);
       cell[n*LC+sz[n]] = DIRTY; owner[n*LC+sz[n]] = me+1; sz[n]++; e--;
       if :: e == 0 -> goto whole :: else -> il[n] = 1 fi }
  :: atomic { k < RECORDS && !il[n] && sz[n] >= LIM ->                     /* void */
       if :: sz[n] < FULL -> sz[n]++ :: else fi; want = 0; goto next }
  :: DIE
  fi;
  if
  :: atomic { cell[n*LC+sz[n]] = DIRTY; owner[n*LC+sz[n]] = me+1; sz[n]++; il[n] = 0; e = 0 }
  :: atomic { MAYDIE -> deaths++; il[n] = 0; goto dead }
  fi;
#ifdef LAZY
whole: atomic {
    if
#ifdef LAZY0
    :: me == 0 && k == 0 -> owed = want; want = 0; k++; goto append
    :: else
#else
    :: owed = want; want = 0; k++; goto append
    :: true
#endif
    fi };
#else
whole:
#endif

sync:                         /* S: everything up to want */
  if
  :: atomic { syn[m] >= want -> goto yes }
  :: atomic { syn[m] < want && bad[m] -> goto no }
  :: atomic { syn[m] < want && !bad[m] && !lock[m] -> lock[m] = 1; hold = 1; choose() }
  :: DIE
  fi;
segment:                      /* S4: announced before the error can be eaten */
#ifdef ATTONCE
  if :: atomic { pass == 0 -> pass = 1; att[m]++ } :: pass != 0 fi;
#else
  att[m]++;
#endif
#ifdef RESEAL
  if
  :: s >= n
  :: atomic { s < n && !il[s] -> sz[s] = MAX(sz[s], LIM) }
  fi;
#endif
#ifndef EAFTER
  e = (COMPLETE -> END : sz[s]);
#endif
  if                          /* fdatasync */
  :: atomic { have[s] == 1 -> write_back(s, SAFE); report(s, fd[s]) }
  :: atomic { have[s] == 1 && errs < MAXE -> write_back(s, LOST); report(s, fd[s]) }
  :: atomic { have[s] == 2 -> r = 0 }                                /* the copy is clean */
  :: DIE
  fi;
#ifdef EAFTER
  e = (COMPLETE -> END : sz[s]);
#endif
  if
  :: atomic { r -> r = 0; bad[m] = 1; lock[m] = 0; hold = 0; s = 0; e = 0; pass = 0; goto no }
#ifdef NEWFIRST
  :: atomic { !r && pass == 0 && s != FIRSTOPEN -> pass = 1 }
  :: atomic { !r && (pass == 1 || s == FIRSTOPEN) -> syn[m] = MAX(syn[m], POS(s,e)) }
#else
  :: atomic { !r ->
#if defined(DEFERDIR) && !defined(NODIR)
       if :: act[m] < s -> fsync_dir(); act[m] = s :: else fi;
#endif
       syn[m] = MAX(syn[m], POS(s,e)) }
#endif
  :: DIE
  fi;
  if                          /* S5: ok only after syn */
  :: atomic { ok[m] = att[m]; s = 0; e = 0;
       if :: syn[m] < want -> choose(); goto segment :: else fi;
       pass = 0; lock[m] = 0; hold = 0; goto yes }
  :: DIE
  fi;
yes: atomic {
    if
    :: roll -> want = 0; goto link
    :: !roll && settle -> durable(want);
#ifdef REACH
       assert(REACH != 1 || cur != NONE);                    /* removed, nothing in its place */
       assert(REACH != 2 || !(cur != NONE && copy[SEG(want)] == 2));
       assert(REACH != 3 || copy[SEG(want)] != 1);           /* in the middle of a recovery */
#endif
       goto attach
    :: !roll && !settle ->
#ifndef NOREPORT
       if :: unknown -> unknown = 0; disown(); want = 0; owed = 0; k++; goto append :: else fi;
#endif
       durable(want); want = 0; owed = 0; k++; goto append
    fi };
no: atomic {
    if
    :: settle -> unknown = 1;
#ifdef REACH
       assert(REACH != 4);
#endif
       goto attach
    :: !settle && roll -> unknown = (unknown || owed != 0)   /* an append's error */
    :: else -> disown(); unknown = 0                         /* the caller's error */
    fi;
    want = 0; owed = 0 };
#ifdef RECOVER
  if :: goto leave :: me >= RECFROM -> goto recover fi;
#else
  goto leave;
#endif

next:                         /* R1: n is closed */
  if
  :: atomic { name[n+1] -> n++; roll = 0; sealed = 0; goto enter }
  :: !name[n+1]
  :: DIE
  fi;
  atomic { !il[n] -> sz[n] = MAX(sz[n], LIM); roll = 1; sealed = 1;  /* R2 */
#ifndef VBOUND
    if                        /* R3 */
    :: n >= AHEAD -> want = POS(n-AHEAD, TARGET); goto sync
#ifdef BG
    :: AHEAD > 0 -> want = POS(n, TARGET); goto sync
#endif
    :: n < AHEAD
    fi
#endif
  };
link:                         /* R4 to R6; a shared directory lock held that short only excludes V */
  if
  :: atomic { !dirEX && newest > n -> n = newest; roll = 0; sealed = 0; goto enter }
  :: atomic { !dirEX && newest == n -> assert(n+1 < NSEG); name[n+1] = 1; newest = n+1 }
  :: DIE
  fi;
#ifdef DEFERDIR
  goto next;
#else
  if :: d_step { fsync_dir(); act[m] = MAX(act[m], n+1) } :: DIE fi;
  goto next;
#endif

#ifdef RECOVER
recover:                      /* V1 to V3: whatever is at the path goes first */
  if
  :: atomic { !dirEX && cur != NONE && cur != m && !bad[cur] -> goto attach }
  :: atomic { !dirEX && !(cur != NONE && cur != m && !bad[cur]) -> dirEX = 1; hex = 1; cur = NONE }
  :: DIE
  fi;
  if :: atomic { !il[newest] -> n = newest; sz[n] = MAX(sz[n], LIM) } :: DIE fi;        /* V4 */
#ifdef INPLACE
  s = 0;
  if :: atomic { fd[0] = (seen[n] -> ec[n] : 0) } :: DIE fi;
  if
  :: atomic { write_back(n, SAFE); report(n, fd[0]) }
  :: atomic { errs < MAXE -> write_back(n, LOST); report(n, fd[0]) }
  :: DIE
  fi;
  if :: r -> goto giveup :: else fi;
#else
  atomic {                                                                             /* V5 */
#ifdef VTOP
    s = n
#else
    s = (n >= AHEAD -> n-AHEAD : 0);
#ifdef RECSYN
    if :: m != NONE -> s = MAX(s, FIRSTOPEN) :: else fi
#endif
#endif
  };
  do
  :: s <= n ->
     if                       /* read through the page cache into a new inode, fsync it */
     :: atomic { copy[s] -> skip }
     :: atomic { !copy[s] -> x = 0;
          do
          :: x < LC && cell[s*LC+x] == GONE -> hurt[s*LC+x] = 1; x++
#ifdef DROP
          :: x < LC && cell[s*LC+x] == LOST -> cell[s*LC+x] = GONE; damage(s, x); hurt[s*LC+x] = 1; x++
#endif
          :: x < LC && cell[s*LC+x] != GONE -> x++
          :: x == LC -> x = 0; break
          od }
     :: atomic { errs < MAXE -> errs++; goto giveup }
     :: DIE
     fi;
     if :: atomic { if :: !copy[s] -> copy[s] = 1 :: else fi } :: DIE fi               /* rename */;
     if :: atomic { if :: copy[s] == 1 -> copy[s] = 2 :: else fi; s++ } :: DIE fi      /* fsync(dir) */
  :: s > n -> break
  od;
  s = 0;
#ifdef DEFERDIR
  if :: d_step { fsync_dir() } :: DIE fi;
#endif
#endif
  if :: atomic { assert(n+1 < NSEG); name[n+1] = 1; newest = n+1 } :: DIE fi;           /* V6 */
  if :: d_step { fsync_dir() } :: DIE fi;
  if                                                                                   /* V7 */
  :: atomic { assert(nctl < NCTL); cur = nctl; nctl++; act[cur] = n+1; syn[cur] = POS(n+1,0);
       dirEX = 0; hex = 0; goto attach }
  :: DIE
  fi;
giveup: goto leave;
#endif

dead: leave: atomic {                  /* closed or killed, the kernel drops the locks */
    if :: hold -> lock[m] = 0 :: else fi;
    if :: hex -> dirEX = 0 :: else fi;
    close_below(NSEG); top[me] = 0; wound[me] = NONE;
    m = 0; n = 0; k = K; s = 0; e = 0; pass = 0; want = 0; owed = 0; r = 0; roll = 0; sealed = 0;
    settle = 0; unknown = 0; hold = 0; hex = 0; ndone++ }
}

proctype Kernel() {           /* what it may do on its own, at any time */
  byte x, s, y;
  do
  :: atomic { errs < MAXE -> s = 0;
       do :: s < newest && s < NSEG-1 -> s++ :: break od;
       write_back(s, LOST); s = 0 }
#ifdef EVICT
  :: atomic { errs > 0 && ndone < NP -> s = 0;
       do :: s < newest && s < NSEG-1 -> s++ :: break od;
       if
       :: pins[s] == 0 && ec[s] && !copy[s] ->        /* the error is forgotten as well */
          ec[s] = 0; seen[s] = 0; x = 0;
          do
          :: x < LC -> if :: cell[s*LC+x] == LOST -> cell[s*LC+x] = GONE; damage(s, x) :: else fi; x++
          :: else -> break
          od
       :: else
       fi; s = 0; x = 0 }
#endif
  :: ndone == NP -> break
  od
}

#ifdef RMCTL
proctype Admin() { if :: atomic { cur = NONE } :: ndone == NP fi }
#endif

init {
  atomic {
    byte p = 0;
    name[0] = 1; namedur[0] = 1;
    do :: p < NP -> wound[p] = NONE; run Handle(p); p++ :: else -> break od;
    p = 0;
    run Kernel();
#ifdef RMCTL
    run Admin()
#endif
  }
}
