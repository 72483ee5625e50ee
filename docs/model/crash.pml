/* crash.pml: a power cut, and a reader whose saved position outlives it.
 *
 * Boot 1 appends, and now and then syncs.  The reader has got anywhere, and
 * its position is on another disk.  The cut takes any part of what was not
 * synced, and any name whose directory was not.  Boot 2 appends two records:
 * the reader must see both, wherever it had got to.
 *
 *   (default)  boot 2 starts a segment of its own; a name is durable before
 *              anybody appends under it
 *   AHEAD      n+1 is used while n is not synced (its name is durable first)
 *   SKIP=j     boot 2 leaves j numbers unused
 * MISTAKES
 *   REUSE     C29  boot 2 goes on in the newest segment
 *   EARLYUSE  C30  an append may come before the fsync of the directory
 */
#ifndef SKIP
#define SKIP 0
#endif
#define LIM  3
#define NSEG (4+SKIP)
#define NEW  2                /* what boot 2 writes; boot 1 writes 1 */
byte cell[NSEG*LIM]; byte sz[NSEG]; byte safe[NSEG];
bit name[NSEG]; bit namedur[NSEG]; bit over[NSEG];
byte top, rn, roff, n, c, seen;

inline append(v) {
  if
  :: !over[top] && sz[top] < LIM
  :: else ->
     over[top] = 1;
#ifndef AHEAD
     safe[top] = sz[top];
#endif
     top++; name[top] = 1; sz[top] = 0;
#ifdef EARLYUSE
     if :: namedur[top] = 1 :: skip fi
#else
     namedur[top] = 1
#endif
  fi;
  cell[top*LIM+sz[top]] = v; sz[top]++
}

active proctype Story() {
  name[0] = 1; namedur[0] = 1;
  do
  :: top < 2 && sz[top] < LIM -> append(1)
  :: top < 1 && sz[top] == LIM -> append(1)
  :: namedur[top] -> safe[0] = sz[0]; safe[top] = sz[top]
#ifdef AHEAD
  :: safe[0] = sz[0]
#endif
  :: break
  od;
  do
  :: roff < sz[rn] -> roff++
  :: roff == sz[rn] && rn < top -> rn++; roff = 0
  :: break
  od;
  n = 0;
  do                          /* the cut: every choice, segment by segment */
  :: n <= top ->
     if
     :: n > 0 && !namedur[n] -> name[n] = 0; sz[n] = 0; over[n] = 0
     :: skip
     fi;
     c = safe[n];
     do
     :: c < sz[n] -> if :: cell[n*LIM+c] = 0 :: skip fi; c++
     :: c >= sz[n] -> break
     od;
     do :: sz[n] > safe[n] -> sz[n]-- :: break od;
     n++
  :: n > top -> break
  od;
  do :: !name[top] -> top-- :: else -> break od;
#ifndef REUSE
  over[top] = 1; top = top+1+SKIP; name[top] = 1; namedur[top] = 1; sz[top] = 0;
#endif
  append(NEW); append(NEW);
  do
  :: roff < sz[rn] -> if :: cell[rn*LIM+roff] == NEW -> seen++ :: else fi; roff++
  :: roff >= sz[rn] && rn < top -> rn++; roff = 0
  :: roff >= sz[rn] && rn >= top -> break
  od;
  assert(seen == 2)
}
