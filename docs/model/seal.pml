/* seal.pml: the first draft, which was NOT built, and why.
 *
 * A seal record ends a segment; what stands behind it does not count.  A shared
 * word (segment, open or sealing) in the control file tells a writer whether
 * a seal may be in front of the record it has just appended.  One cell is one
 * record here; a killed or refused append leaves a TORN one.
 *
 *   WAITSEAL    as drafted: a writer that sees the word changed waits for the
 *               seal, or helps to write it, before it judges its record
 *   (default)   mended: it looks for a seal in front of its own record only;
 *               those bytes are final, so there is nobody to wait for
 *   REOPEN      when all are gone one more comes and initialises the word
 * SIZE      NW writers, NREC records each, MAXD deaths, NOSPC times ENOSPC, a
 *           segment is rolled when a record ends at ROLLAT or behind it.
 * MISTAKES
 *   STALEMAP   C1  the control file is removed and made again under writer 0
 *   WAITSEAL NOSPC=2  C2      RENAME     C3  n+1 gets its name by rename(2)
 *   SEALEDEND  C4  judged by a "sealed end" word instead of the segment
 *   REVERT     C5  ENOSPC behind a good seal sets the word back to open
 *   REINITOPEN C6  with REOPEN: "newest, open" without looking for a seal
 *   STOP       C7  a death is a SIGSTOP: the roll lock stays held
 * C1 would cost a system call per append, C7 has no cure: hence limit.pml.
 */
#ifndef NW
#define NW 2
#endif
#ifndef NREC
#define NREC 2
#endif
#ifndef MAXD
#define MAXD 2
#endif
#ifndef NOSPC
#define NOSPC 0
#endif
#ifndef NSEG
#define NSEG 5
#endif
#ifndef ROLLAT
#define ROLLAT 2
#endif
#ifdef REOPEN
#define ALL (NW+1)
#else
#define ALL NW
#endif
#define NINO (NSEG+1)
#define ROOM 8
#define NID  (ALL*NREC)
#define TORN 1
#define SEAL 2
#define REC  3                /* + id */
#define NOT  255
#define MINE (me*NREC+k)
byte cell[NINO*ROOM]; byte sz[NINO]; byte nino = 1; byte name[NSEG];
byte wordN[2]; bit sealing[2]; byte sealedEnd[2];      /* two control files, for STALEMAP */
byte roller; byte deaths, nospc, ndone;
bit acked[NID]; bit failed[NID]; bit got[NID];

#define DIE atomic { deaths < MAXD -> deaths++; goto dead }
inline put(v) { assert(sz[i] < ROOM); cell[i*ROOM+sz[i]] = v; sz[i]++ }
inline find_seal(below) {     /* the first one, or NOT */
  s = 0;
  do
  :: s >= below -> s = NOT; break
  :: s < below && cell[i*ROOM+s] == SEAL -> break
  :: else -> s++
  od
}

proctype Writer(byte me; byte m) {
  byte k, n, i, st, s; bit busy, pending, err;
#ifdef REOPEN
  if
  :: me < NW
  :: atomic { me == NW && ndone == NW ->
       do :: n+1 < NSEG && name[n+1] -> n++ :: else -> break od;
       wordN[m] = n; i = name[n]-1;
#ifdef REINITOPEN
       sealing[m] = 0
#else
       find_seal(sz[i]); sealing[m] = (s != NOT)
#endif
     }
  fi;
#endif
load:
  if :: k == NREC -> goto leave :: else fi;
  if :: atomic { n = wordN[m]; busy = sealing[m]; i = name[n]-1 } :: DIE fi;
  if :: busy -> goto roll :: else fi;
  if
  :: atomic { st = sz[i]; put(REC+MINE) }
  :: atomic { deaths < MAXD -> deaths++; put(TORN); goto dead }
  :: DIE
  fi;
  if
  :: atomic { wordN[m] == n && !sealing[m] -> goto valid }
  :: !(wordN[m] == n && !sealing[m])
  :: DIE
  fi;
judge:
#ifdef SEALEDEND
  if
  :: atomic { wordN[m] == n -> pending = 1; goto roll }
  :: atomic { wordN[m] != n && st <  sealedEnd[m] -> pending = 0; goto valid }
  :: atomic { wordN[m] != n && st >= sealedEnd[m] -> pending = 0; goto load }
  :: DIE
  fi;
#elif defined(WAITSEAL)
  if :: atomic { find_seal(sz[i]) } :: DIE fi;
  if
  :: atomic { s == NOT -> pending = 1; goto roll }
  :: atomic { s != NOT && st < s -> pending = 0; goto valid }
  :: atomic { s != NOT && st > s -> pending = 0; goto load }
  fi;
#else
  if :: atomic { find_seal(st) } :: DIE fi;
  if :: s == NOT -> goto valid :: else -> goto load fi;
#endif
valid:
  atomic { assert(!acked[MINE]); acked[MINE] = 1; k++ };
  if :: st+1 >= ROLLAT -> goto roll :: else -> goto load fi;

roll:
  if :: atomic { !roller -> roller = me+1; err = 0 } :: DIE fi;
  if
  :: atomic { wordN[m] == n -> sealing[m] = 1 }              /* or take over */
  :: atomic { wordN[m] != n -> goto unlock }
  :: DIE
  fi;
  if :: atomic { find_seal(sz[i]) } :: DIE fi;
  if
  :: s != NOT                                                /* a predecessor's */
  :: atomic { s == NOT -> s = sz[i]; put(SEAL) }
  :: atomic { s == NOT && deaths < MAXD -> deaths++; put(TORN); goto dead }
  :: atomic { s == NOT && nospc < NOSPC -> nospc++; put(TORN); err = 1; goto unlock }
  fi;
  if
  :: atomic { assert(n+1 < NSEG);
#ifdef RENAME
       nino++; name[n+1] = nino
#else
       if :: name[n+1] == 0 -> nino++; name[n+1] = nino :: else fi
#endif
     }
  :: atomic { name[n+1] == 0 && nospc < NOSPC -> nospc++; err = 1;
#ifdef REVERT
       sealing[m] = 0;
#endif
       goto unlock }
  :: DIE
  fi;
  if :: sealedEnd[m] = s+1 :: DIE fi;
  if :: atomic { wordN[m] = n+1; sealing[m] = 0 } :: DIE fi;
unlock:
  if :: atomic { roller = 0 } :: DIE fi;
  if
  :: !err && pending -> goto judge
  :: !err && !pending -> goto load
  :: err && pending -> atomic { find_seal(sz[i]) };
     if :: s != NOT -> goto judge :: else -> goto refused fi
  :: err && !pending && busy && k < NREC -> goto refused
  :: err && !pending && !(busy && k < NREC) -> goto load
  fi;
refused:
  atomic { failed[MINE] = 1; k++; pending = 0; goto load };
dead:
#ifndef STOP
  atomic { if :: roller == me+1 -> roller = 0 :: else fi };
#endif
leave:
  ndone++
}

proctype Reader() {
  byte n, i, off, c;
  do
  :: atomic { off < sz[i] -> c = cell[i*ROOM+off]; off++;
       if
       :: c >= REC -> assert(!got[c-REC]); got[c-REC] = 1
       :: c == SEAL ->
          if
          :: name[n+1] -> n++; i = name[n]-1; off = 0
          :: !name[n+1] && ndone == ALL -> break
          fi
       :: else
       fi }
  :: atomic { off == sz[i] && ndone == ALL -> break }
  od;
  atomic {
    c = 0;
    do
    :: c < NID -> assert(!acked[c] || got[c]); assert(!(failed[c] && got[c])); c++
    :: else -> break
    od }
}

init {
  atomic {
    byte w = 0;
    name[0] = 1;
    do
    :: w < ALL ->
#ifdef STALEMAP
       run Writer(w, (w == 0 -> 0 : 1));
#else
       run Writer(w, 0);
#endif
       w++
    :: else -> break
    od;
    run Reader()
  }
}
