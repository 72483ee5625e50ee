/* reader.pml: finding the way on behind a record that is torn, or seems to be.
 *
 * limit.pml's records all have one size.  Here one is long, so that a torn one
 * can claim more bytes than the file has, and its payload can look like a record.
 * One segment, no roll.  Writer 0 appends the long record (head, two bytes of
 * payload, a checksum that fits only these) and may be killed after any byte;
 * each other writer appends one short record (head, checksum).
 *
 * NW writers, at most 4.
 * MISTAKES
 *   WAITLEN   C8   an incomplete record is waited for, for as long as it claims
 *   EMBED     C9   a payload may hold the image of a record (the real writer
 *                  masks it: the segment's marker never occurs in a payload)
 *   UNCLIPPED C10  bytes behind the size asked for first are used
 */
#ifndef NW
#define NW 3
#endif
#define FORGED 4              /* the record nobody appended */
#define LHEAD  40
#define LSUM   41
#define PAY(x) (50+(x))
#define SHEAD(id) (10+2*(id)) /* its checksum is the next number */
#define ISSHORT(c) ((c) >= 10 && (c) <= SHEAD(FORGED) && (c)%2 == 0)
#define ISHEAD(c)  (ISSHORT(c) || (c) == LHEAD)
#define BYTES  (4+2*(NW-1))

byte d[BYTES+4]; byte sz, ndone; bit il; byte pay[2];
bit acked[FORGED+1]; bit got[FORGED+1];

proctype Long() {
  byte w;
  atomic { !il -> il = 1 };
  do
  :: atomic { w < 4 ->
       d[sz] = (w == 0 -> LHEAD : (w == 3 -> LSUM : pay[w-1])); sz++; w++ }
  :: atomic { w == 4 -> acked[0] = 1; break }
  :: w < 4 -> break           /* SIGKILL */
  od;
  atomic { il = 0; ndone++ }
}

proctype Short(byte me) {
  atomic { !il -> il = 1; d[sz] = SHEAD(me); sz++ };
  atomic { d[sz] = SHEAD(me)+1; sz++; il = 0; acked[me] = 1; ndone++ }
}

#ifdef UNCLIPPED
#define GET(x) d[x]
#define SEEN   BYTES
#else
#define GET(x) ((x) < s0 -> d[x] : 0)
#define SEEN   s0
#endif
inline wait_for_growth() {
  if
  :: atomic { sz > s0 -> goto again }
  :: atomic { sz == s0 && ndone == NW -> goto check }
  fi
}

proctype Reader() {
  byte off, q, s0, a, b, c, e;
again:
  s0 = sz;                    /* one snapshot for verdict and search */
  a = GET(off); b = GET(off+1); c = GET(off+2); e = GET(off+3);
  if
  :: atomic { ISSHORT(a) && b == a+1 -> q = (a-10)/2; off = off+2; goto deliver }
  :: atomic { a == LHEAD && b == pay[0] && c == pay[1] && e == LSUM ->
       q = 0; off = off+4; goto deliver }
  :: else
  fi;
#ifdef WAITLEN
  if :: a == LHEAD && s0 < off+4 -> wait_for_growth() :: else fi;
#endif
  q = off+1;
  do                          /* any later head ends the wait, whatever the first one claims */
  :: atomic { q < SEEN && ISHEAD(d[q]) -> off = q; q = 0; goto again }
  :: q < SEEN && !ISHEAD(d[q]) -> q++
  :: q >= SEEN -> wait_for_growth()
  od;
deliver:
  atomic { assert(q < NW && !got[q]); got[q] = 1; q = 0; goto again };
check:
  atomic {
    q = 0;
    do
    :: q < NW -> assert(acked[q] == got[q]); q++
    :: else -> break
    od }
}

init {
  atomic {
    byte w = 1;
    pay[0] = PAY(0); pay[1] = PAY(1);
#ifdef EMBED
    pay[0] = SHEAD(FORGED); pay[1] = SHEAD(FORGED)+1;
#endif
    run Long();
    do :: w < NW -> run Short(w); w++ :: else -> break od;
    run Reader()
  }
}
