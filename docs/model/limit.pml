/* limit.pml: bytes, torn writes, the limit, the seal, readers, retention.
 *
 * A record belongs to the journal if and only if it is whole and starts below
 * LIM, the number in its segment's header.  A writer learns its own start from
 * lseek and decides alone.  There is no control file in this model, because
 * neither appends nor readers depend on it (sync.pml has what does).
 *
 * A record is two bytes, a head and a body.  A writev holds the inode lock and
 * lets its bytes appear one by one; a kill or a full disk in the middle leaves
 * a fragment.  The reader takes no lock at all.
 *
 * A UNIT is what is valid or not as a whole: one record, or a batch.  Which of
 * a writer's records form a batch is chosen freely at the start.  A batch is an
 * ENVELOPE: one head that carries the number of entries; what looks like the
 * heads of its further entries is payload and can never be taken for a head.
 *
 * At the end every acknowledged record was delivered, nothing was delivered
 * twice, nothing whose caller got an error, and no unit in part.
 *
 * SIZE      NW writers with NREC records each, UNIT records in a unit at most
 *           (FULL: always as many as possible), BATCH records at least in one
 *           writev, LIM, NSEG, MAXD deaths, NOSPC times ENOSPC, FORCE rolls
 *           before a segment is full.
 * VARIANTS  (none of these is a mistake)
 *   BYTE      the seal is one byte at CAP instead of fallocate
 *   MIX       every seal is one or the other
 *   NLINK     the reader asks "has my file lost its name?", not for a listing
 *   RETAIN    somebody removes the oldest segments
 *   STOP      a death is a SIGSTOP: a lock on the directory stays held
 *   ROT       one written byte, any one, is destroyed
 *   RUN       a batch is a run of records with two bits, FIRST and MORE (the
 *             form that was rejected: it needs every rule from C31 to C36)
 * MISTAKES
 *   UNCLIPPED  C10  the reader uses bytes behind the size it asked for
 *   NOSHLOCK   C11  {is n the highest? link n+1} without the directory lock
 *   NOBARRIER  C12  n+1 is linked without a seal on n
 *   FINALATLIM C12, C41  size >= LIM is taken for "nothing valid will come"
 *   BATCHFIRST C13  all units of a writev are judged by the first one's start
 *   RETRYALL   C13, C37  after a short writev all of it is appended again
 *   NOFIRST    C31  RUN: FIRST is not looked at inside a unit
 *   RESYNCANY  C32  RUN: any head is proof that the unit before it is torn
 *   RESYNCTAIL C33  RUN: in a finished segment a unit may begin at any head
 *   CAPREC     C34  BYTE: CAP leaves room for a record, not for a unit
 *   READERLIM, WRITERREC  C35  reader stops at LIM inside a unit; writer
 *                   judges record by record
 *   EACH       C36  whole records of an unfinished unit are delivered
 *   SKIPSEAL   C38  no seal where the size is LIM already
 *   NEXTONLY   C39  the reader looks for n+1, not for any later segment
 *   SIZEFIRST  C41  size first, then the look for later segments
 */
#ifndef NW
#define NW 2
#endif
#ifndef NREC
#define NREC 2
#endif
#ifndef UNIT
#define UNIT 1
#endif
#ifndef BATCH
#define BATCH 1
#endif
#ifndef LIM
#define LIM 3
#endif
#ifndef NSEG
#define NSEG 6
#endif
#ifndef MAXD
#define MAXD 2
#endif
#ifndef NOSPC
#define NOSPC 0
#endif
#define LONGEST (2*UNIT)                     /* bytes in a unit: MAXREC of the header */
#ifdef CAPREC
#define CAP     (LIM+2)
#else
#define CAP     (LIM+LONGEST)
#endif
#define SEALED  (LIM+LONGEST+1)              /* sizes saturate here */
#define ROOM    (LIM+LONGEST-1)              /* bytes that can be part of a valid unit */
#define NINO    (NSEG+1)
#define NID     (NW*NREC)

/* A byte names its record (id+1, times 8) and what it is there. */
#define BODY    4
#define INNER   5                            /* looks like a head, is payload */
#define ID(c)     ((c)/8-1)
#define HEAD(c)   ((c) >= 8 && (c)%8 < 4)
#define IS(c,v,k) ((c) == 8*((v)+1)+(k))
#define FOLLOWED(v) ((v)%NREC != NREC-1 && joined[(v)+1])
#ifdef RUN
#define FIRST(c)  ((c)%8 == 1 || (c)%8 == 3)
#define MORE(c)   ((c)%8 >= 2)
#define KIND(v)   ((joined[v] -> 0 : 1) + (FOLLOWED(v) -> 2 : 0))
#define BEGINS(c) (HEAD(c) && FIRST(c))
#else
#define KIND(v)   (joined[v] -> INNER : (!FOLLOWED(v) -> 0 : (!FOLLOWED((v)+1) -> 1 : 2)))
#define BEGINS(c) HEAD(c)
#endif

byte data[NINO*ROOM]; byte sz[NINO]; bit il[NINO]; byte nino = 1;
byte name[NSEG+1];            /* the directory: inode+1, 0 for no such file */
byte newest;                  /* what a listing of it yields */
byte dirSH;                   /* holders of the shared directory lock */
byte deaths, nospc, forced, ndone;
byte first[NSEG];             /* ghost: the inode that was first linked as n */
bit acked[NID]; bit failed[NID]; bit got[NID]; bit joined[NID+1];
#ifdef ROT
bit rotten[NID];
#endif
byte at[NID];                 /* ghost: in which segment it was acknowledged */

#define DIE atomic { deaths < MAXD -> deaths++; goto dead }
#define MINE (me*NREC+k)

inline put() {                /* the next byte of the writev appears */
  if
  :: sz[i] < ROOM -> data[i*ROOM+sz[i]] = 8*(MINE+w/2+1) + (w%2 -> BODY : KIND(MINE+w/2))
  :: else
  fi;
  if :: sz[i] < SEALED -> sz[i]++ :: else fi;
  w++
}
inline fail(cnt) { do :: cnt > 0 -> failed[MINE] = 1; k++; cnt-- :: else -> break od }

proctype Writer(byte me) {
  byte k, n, i, st, w, wl, j, u; bit void_, sh;

  atomic {                    /* start at any segment there is; a hint may be old */
    do
    :: n < newest -> n++
    :: name[n] != 0 -> i = name[n]-1; break
    od };
opened:
  if :: atomic { sz[i] >= LIM -> goto next } :: sz[i] < LIM fi;
again:
  if :: k == NREC -> goto fin :: else fi;
#ifdef FORCE
  if :: atomic { forced < FORCE -> forced++; goto next } :: true fi;
#endif
  if                          /* A2: whole units only */
  :: atomic { !il[i] -> il[i] = 1; st = sz[i]; wl = 2;
       do
       :: k+wl/2 < NREC && (wl/2 < BATCH || joined[MINE+wl/2]) -> wl = wl+2
       :: else -> break
       od;
       put() }
  :: DIE
  fi;
  do
  :: atomic { put(); if :: w == wl -> il[i] = 0; break :: else fi }
  :: atomic { deaths < MAXD -> deaths++; il[i] = 0; goto dead }
  :: atomic { nospc < NOSPC -> nospc++; il[i] = 0; break }
  od;
  if :: true :: DIE fi;       /* killed before it could say a word */
  d_step {                    /* A3, A4: by position alone, each unit by its own */
    do
    :: 2*j < wl ->
       u = 1;
#ifndef WRITERREC
       do :: 2*(j+u) < wl && joined[MINE+u] -> u++ :: else -> break od;
#endif
       if
#ifdef RETRYALL
       :: w < wl -> break
#endif
#ifdef BATCHFIRST
       :: 2*(j+u) <= w && st >= LIM -> void_ = 1; break
       :: 2*(j+u) <= w && st < LIM ->
#else
       :: 2*(j+u) <= w && st+2*j >= LIM -> void_ = 1; break   /* whole, and void */
       :: 2*(j+u) <= w && st+2*j < LIM ->                     /* whole, and valid */
#endif
          do
          :: u > 0 -> assert(!acked[MINE]); acked[MINE] = 1; at[MINE] = n; k++; j++; u--
          :: else -> break
          od;
          assert(first[n] == i+1)
       :: 2*(j+u) > w ->                                      /* cut short: an error */
          fail(u); break
       fi
    :: else -> break
    od;
    u = 0; j = 0;
    wl = (void_ || st+w >= LIM);
    void_ = 0; w = 0; st = 0
  };
  if
  :: atomic { wl == 1 && k < NREC -> wl = 0; goto next }
  :: atomic { wl == 0 || k == NREC -> wl = 0; goto again }
  fi;

next:                         /* R1 */
  if
  :: atomic { name[n+1] != 0 -> n++; i = name[n]-1; goto opened }
  :: name[n+1] == 0
  :: DIE
  fi;
#ifndef NOBARRIER
  if                          /* R2: the inode lock makes it a barrier */
#ifdef SKIPSEAL
  :: sz[i] >= LIM
#endif
#if !defined(BYTE) || defined(MIX)
  :: atomic { !il[i] -> if :: sz[i] < LIM -> sz[i] = LIM :: else fi }
#endif
#if defined(BYTE) || defined(MIX)
  :: atomic { !il[i] ->
#ifdef CAPREC
       if :: CAP < ROOM -> data[i*ROOM+CAP] = 2 :: else fi;   /* it may hit something */
#endif
       if :: sz[i] <= CAP -> sz[i] = CAP+1 :: else fi }
#endif
  :: atomic { nospc < NOSPC -> nospc++; goto nospace }
  :: DIE
  fi;
#endif
#ifndef NOSHLOCK
  if :: atomic { dirSH++; sh = 1 } :: DIE fi;                 /* R4 */
#endif
  if
  :: atomic { newest > n -> n = newest; i = name[n]-1;
       if :: sh -> dirSH--; sh = 0 :: else fi; goto opened }
  :: newest <= n
  :: DIE
  fi;
  if                          /* R5 */
  :: atomic { name[n+1] == 0 -> assert(n+1 < NSEG); nino++; name[n+1] = nino;
       if :: newest < n+1 -> newest = n+1 :: else fi;
       if :: first[n+1] == 0 -> first[n+1] = nino :: else fi }
  :: name[n+1] != 0                                           /* EEXIST */
  :: atomic { name[n+1] == 0 && nospc < NOSPC -> nospc++; goto nospace }
  :: DIE
  fi;
  atomic { if :: sh -> dirSH--; sh = 0 :: else fi; goto next };
nospace:                      /* the caller gets ENOSPC, nothing has to be undone */
  atomic {
    if :: sh -> dirSH--; sh = 0 :: else fi;
    failed[MINE] = 1; k++;
    do :: k < NREC && joined[MINE] -> failed[MINE] = 1; k++ :: else -> break od;
    if :: k == NREC -> goto fin :: else -> goto next fi };
dead:
#ifndef STOP
  atomic { if :: sh -> dirSH--; sh = 0 :: else fi };
#endif
fin:
  ndone++
}

#if defined(NLINK)            /* D1' */
#define LATER (name[n+1] != 0 || name[n] != i+1)
#elif defined(NEXTONLY)
#define LATER (name[n+1] != 0)
#else
#define LATER (name[n+1] != 0 || newest > n)
#endif
#if defined(BYTE) || defined(MIX)
#define FINISHED (more || s0 > CAP)
#else
#define FINISHED more
#endif
#ifdef UNCLIPPED
#define SEEN LIM
#else
#define SEEN (s0 < LIM -> s0 : LIM)
#endif
#define GET(x) ((x) < s0 && (x) < ROOM -> data[i*ROOM+(x)] : 0)
#if defined(NOFIRST) || defined(EACH)
#define CONTINUES(c) true
#elif defined(RESYNCTAIL)
#define CONTINUES(c) (u == off || !FIRST(c))
#else
#define CONTINUES(c) (FIRST(c) == (u == off))
#endif
#if defined(RESYNCANY)
#define RESTART(c) HEAD(c)
#elif defined(RESYNCTAIL)
#define RESTART(c) (BEGINS(c) || (HEAD(c) && FINISHED))
#else
#define RESTART(c) BEGINS(c)
#endif
#ifdef ROT
#define EXCUSED(q) rotten[q]
#else
#define EXCUSED(q) false
#endif

proctype Reader() {
  byte n, n0, i, off, q, h, b, s0, u, c; bit more, gap; byte ids[UNIT+1];
#ifdef RETAIN
  atomic { do :: name[n] == 0 -> n++ :: else -> break od; n0 = n; i = name[n]-1 };
#endif
again:
  if :: off >= LIM -> goto next :: else fi;
#ifdef SIZEFIRST
  s0 = sz[i];
  more = LATER;
#else
  more = LATER;               /* D1: both before any byte, in this order; */
  s0 = sz[i];                 /* what lies behind s0 does not exist */
#endif
  u = off;
  do                          /* D2: the unit at off, record by record */
  :: atomic {
       h = GET(u); b = GET(u+1);
       if
#ifdef READERLIM
       :: u >= LIM -> h = 0; break
#endif
#ifdef RUN
       :: HEAD(h) && IS(b, ID(h), BODY) && CONTINUES(h) ->
          ids[c] = ID(h); c++; u = u+2;
#ifdef EACH
          goto deliver;
#endif
          if :: !MORE(h) || c > UNIT -> goto deliver :: else fi
#else
       :: u == off && HEAD(h) && IS(b, ID(h), BODY) ->
          ids[0] = ID(h); q = h%8; c = 1; u = u+2;
          if :: q == 0 -> goto deliver :: else fi
       :: u != off && IS(h, ids[0]+c, INNER) && IS(b, ids[0]+c, BODY) ->
          ids[c] = ids[0]+c; c++; q--; u = u+2;
          if :: q == 0 -> goto deliver :: else fi
#endif
       :: else -> h = 0; break
       fi }
  od;
  atomic {                    /* D3: no whole unit here; a head further on proves it torn */
    do :: c > 0 -> c--; ids[c] = 0 :: else -> break od;
    b = 0; u = 0; q = off+1;
    do
    :: q < SEEN && RESTART(data[i*ROOM+q]) -> off = q; q = 0; goto again
    :: q < SEEN && !RESTART(data[i*ROOM+q]) -> q++
    :: q >= SEEN -> q = 0; break
    od };
  if                          /* D4, D5 */
#ifdef FINALATLIM
  :: atomic { s0 >= LIM -> off = LIM; goto next }
  :: atomic { s0 < LIM && sz[i] != s0 -> goto again }
  :: atomic { s0 < LIM && sz[i] == s0 && ndone == NW -> goto check }
#else
  :: atomic { FINISHED -> off = LIM; goto next }
  :: atomic { !FINISHED && (sz[i] != s0 || LATER) -> goto again }
  :: atomic { !FINISHED && sz[i] == s0 && !LATER && ndone == NW -> goto check }
#endif
  fi;
deliver:
  atomic {
    do
    :: c > 0 -> c--; assert(!got[ids[c]]); got[ids[c]] = 1; ids[c] = 0
    :: else -> break
    od;
    off = u; u = 0; h = 0; b = 0; q = 0; goto again };
next:
  if
  :: atomic { name[n+1] != 0 -> n++; i = name[n]-1; off = 0; goto again }
  :: atomic { name[n+1] == 0 && newest > n+1 -> gap = 1 }     /* retention overtook it: reported */
  :: name[n+1] == 0 && newest <= n && ndone == NW
  fi;
check:
  atomic {
    q = 0;
    do
    :: q < NID ->
       assert(!acked[q] || got[q] || EXCUSED(q) || at[q] < n0 || (gap && at[q] > n));
       assert(!joined[q] || got[q] == got[q-1]);
       assert(!joined[q] || acked[q] == acked[q-1]);
       assert(!(failed[q] && got[q]));
       q++
    :: else -> break
    od }
}

#ifdef RETAIN
proctype Retention() {        /* T1: oldest first, never the highest */
  byte o;
  do
#ifdef NOSHLOCK
  :: atomic { o < newest -> name[o] = 0; o++ }
#else
  :: atomic { o < newest && dirSH == 0 -> name[o] = 0; o++ }
#endif
  :: ndone == NW -> break
  od
}
#endif

#ifdef ROT
proctype Rot() {              /* costs its unit, and must cost nothing else */
  byte p, v;
  atomic {
    do
    :: p < NINO*ROOM-1 -> p++
    :: data[p] >= 8 -> v = ID(data[p]); data[p] = 1;
       do :: joined[v] -> v-- :: else -> break od;
       rotten[v] = 1; v++;
       do :: v < NID && joined[v] -> rotten[v] = 1; v++ :: else -> break od;
       break
    :: p == NINO*ROOM-1 -> break
    od;
    p = 0; v = 0 }
}
#endif

init {
  atomic {
    byte v = 0, run_ = 1;
    name[0] = 1; first[0] = 1;
    do                        /* which records form a batch */
    :: v < NID && v%NREC == 0 -> run_ = 1; v++
    :: v < NID && v%NREC != 0 && run_ < UNIT -> joined[v] = 1; run_++; v++
#ifdef FULL
    :: v < NID && v%NREC != 0 && run_ >= UNIT -> run_ = 1; v++
#else
    :: v < NID && v%NREC != 0 -> run_ = 1; v++
#endif
    :: v >= NID -> v = 0; run_ = 0; break
    od;
    do :: v < NW -> run Writer(v); v++ :: else -> break od;
    run Reader();
#ifdef RETAIN
    run Retention();
#endif
#ifdef ROT
    run Rot()
#endif
  }
}
