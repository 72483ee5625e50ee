package journal_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/journal"
)

var (
	flagChaosTime = flag.Duration("chaos.time", 0, "how long TestChaos goes on with new journals; by default it makes one")
	flagChaosSeed = flag.Uint64("chaos.seed", 0, "seed of TestChaos, 0 for a random one")
)

func init() {
	roles["chaos-write"] = roleChaosWrite
	roles["chaos-follow"] = roleChaosFollow
	roles["chaos-prune"] = roleChaosPrune
}

// diary is what a process writes down of what it was told, one line and one call
// for each: a SIGKILL costs at most the end of the last line. It outlives the
// process and is continued by the next one.
type diary struct{ f *os.File }

// openDiary opens a diary to go on with it. What a kill has cut short was never
// reported. It returns the last line, in fields.
func openDiary(path string) (*diary, []string, error) {
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, nil, err
	}
	b = b[:bytes.LastIndexByte(b, '\n')+1]
	if err := f.Truncate(int64(len(b))); err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	begin := bytes.LastIndexByte(b[:max(0, len(b)-1)], '\n') + 1
	return &diary{f}, strings.Fields(string(b[begin:])), nil
}

// diaryLines returns the whole lines in fields.
func diaryLines(b []byte) [][]string {
	var lines [][]string
	for line := range strings.Lines(string(b)) {
		if strings.HasSuffix(line, "\n") {
			lines = append(lines, strings.Fields(line))
		}
	}
	return lines
}

// tell adds a line, and then lets the parent know by one byte that something of
// that kind has happened: it counts them, and kills by that.
func (d *diary) tell(kind byte, args ...any) error {
	line := append([]byte{kind}, fmt.Sprintln(append([]any{""}, args...)...)...)
	if _, err := d.f.Write(line); err != nil {
		return err
	}
	_, err := os.Stdout.Write(line[:1])
	return err
}

// Kinds of lines, and of bytes that the parent reads.
const (
	toldAck    = 'a' // POSITION WRITER SEQ SUM: a writer's record is acknowledged
	toldRecord = 'r' // POSITION WRITER SEQ SUM NEXT: a follower was handed a record
	toldGone   = 'g' // FROM OLDEST: a follower was told that this was pruned
	toldPrune  = 'p' // SEGMENT: the segments in front are removed
	toldLook   = 'l' // NEWEST: the pruner has seen a new segment
)

// chaosOptions make segments of some tens of records, so that they come and go.
func chaosOptions(rng *rand.Rand) journal.Options {
	return journal.Options{
		Sync:        []journal.SyncPolicy{journal.SyncNone, journal.SyncInterval, journal.SyncAlways}[rng.IntN(3)],
		SegmentSize: 128 << 10, MaxRecord: 8 << 20,
	}
}

// roleChaosWrite appends until it is killed, single records and batches:
// DIARY DIR NAME.
func roleChaosWrite(args []string) error {
	d, _, err := openDiary(args[0])
	if err != nil {
		return err
	}
	name := args[2]
	rng := rand.New(rand.NewPCG(3, xxhash.Sum64String(name)))
	j, err := journal.Open(args[1], chaosOptions(rng))
	if err != nil {
		return err
	}
	for i, seq := 0, uint64(0); ; {
		n := 1
		if rng.IntN(4) == 0 {
			n = 1 + rng.IntN(6)
		}
		var values [][]byte
		for range n {
			size := sizeBetween(rng, 10, 64<<10)
			if rng.IntN(40) == 0 {
				size = 1<<20 + rng.IntN(2<<20) // likely to be torn
			}
			values = append(values, value(name, i, size))
			i++
		}
		var p journal.Position
		if n == 1 {
			p, err = j.Append([]byte(name), values[0])
		} else {
			var b journal.Batch
			for _, v := range values {
				b.Put([]byte(name), v)
			}
			p, err = j.AppendBatch(&b)
		}
		if err != nil {
			return err
		}
		for ; p.Index < n; p.Index++ {
			seq++
			if err := d.tell(toldAck, p, j.WriterID(), seq, xxhash.Sum64(values[p.Index])); err != nil {
				return err
			}
		}
	}
}

// roleChaosFollow writes down every record it is handed and goes on where the
// diary ends, until it is killed or has reached position UNTIL:
// DIARY DIR [UNTIL].
func roleChaosFollow(args []string) error {
	d, last, err := openDiary(args[0])
	if err != nil {
		return err
	}
	// Not from the zero position: what is pruned before the first look would be
	// lost without a word.
	from := journal.FirstPosition(1)
	until := journal.Position{Segment: 1 << 62}
	if len(args) > 2 {
		if until, err = journal.ParsePosition(args[2]); err != nil {
			return err
		}
	}
	if len(last) > 0 {
		if from, err = journal.ParsePosition(last[len(last)-1]); err != nil {
			return err
		}
	}
	if until.Before(from) {
		return nil // the last one was written down before the kill
	}
	j, err := journal.Open(args[1], journal.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	for rec, err := range j.Follow(context.Background(), from) {
		var gone *journal.GoneError
		switch {
		case errors.As(err, &gone) && errors.Is(err, journal.ErrPruned):
			err = d.tell(toldGone, gone.From, gone.Oldest)
		case err == nil:
			if _, _, err = parse(rec.Value); err == nil {
				err = d.tell(toldRecord, rec.Position, rec.Writer, rec.Seq, xxhash.Sum64(rec.Value), rec.Next)
			}
		}
		if err != nil {
			return err
		}
		if rec.Position == until {
			break
		}
	}
	return j.Close()
}

// roleChaosPrune prunes now and then, when there is a new segment, down to a few
// or many: DIARY DIR NAME.
func roleChaosPrune(args []string) error {
	d, _, err := openDiary(args[0])
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(4, xxhash.Sum64String(args[2])))
	j, err := journal.Open(args[1], chaosOptions(rng))
	if err != nil {
		return err
	}
	_, newest, err := j.SegmentRange()
	if err != nil {
		return err
	}
	for _, err := range j.Follow(context.Background(), journal.FirstPosition(newest)) {
		if err != nil && !errors.Is(err, journal.ErrPruned) {
			return err
		}
		_, now, err := j.SegmentRange()
		if err != nil {
			return err
		}
		if now == newest {
			continue
		}
		newest = now
		if err := d.tell(toldLook, newest); err != nil {
			return err
		}
		keep := uint64(1 + rng.IntN(12))
		if keep >= newest || rng.IntN(2) == 0 {
			continue
		}
		before, _, err := j.SegmentRange()
		if err != nil {
			return err
		}
		if err := j.Prune(journal.FirstPosition(newest - keep)); err != nil {
			return err
		}
		after, _, err := j.SegmentRange()
		if err != nil {
			return err
		}
		if after < newest-keep {
			return fmt.Errorf("segment %d is there after everything in front of %d was pruned", after, newest-keep)
		}
		if before == after {
			continue
		}
		if err := d.tell(toldPrune, after); err != nil {
			return err
		}
	}
	return errors.New("the pruner's loop has ended")
}

// chaosKinds are the processes that run at any time. Need is how many kills of a
// kind a journal has to see, life how many things one tells at most before its own.
var chaosKinds = []struct {
	role              string
	slots, need, life int
}{
	{"chaos-write", 4, 30, 120},
	{"chaos-follow", 4, 30, 500},
	{"chaos-prune", 1, 8, 12},
}

// What must have happened beside kills before a journal has seen enough.
const (
	chaosPrunes = 8 // calls that have removed something
	chaosGone   = 4 // times a follower was told to go on elsewhere
)

// chaosScale is how much more of all that a journal gets in a long run.
const chaosScale = 25

// Four processes write, four follow and one prunes; each is killed at random
// moments and started again, some of them not at once. Followers go on where
// they had reported to be. In the end each of them has seen the same sequence: in
// journal order, nothing twice, everything that was acknowledged, but for what it
// was told was pruned.
func TestChaos(t *testing.T) {
	seed := *flagChaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	scale := 1
	if *flagChaosTime > 0 {
		scale = chaosScale
	}
	var total chaosCount
	begin, bases := time.Now(), places(t)
	for n := 1; ; n++ {
		for _, name := range slices.Sorted(maps.Keys(bases)) {
			ok := t.Run(fmt.Sprint(name, "/", n), func(t *testing.T) {
				dir, err := os.MkdirTemp(bases[name], "chaos")
				if err != nil {
					t.Fatal(err)
				}
				c := chaos{t: t, rng: rng, dir: dir, lives: make(map[string]int), scale: scale}
				c.run()
				c.check()
				t.Logf("%+v", c.count)
				total.add(c.count)
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
			})
			if !ok {
				t.FailNow()
			}
		}
		if time.Since(begin) >= *flagChaosTime {
			t.Logf("%d journals in %v: %+v", n*len(bases), time.Since(begin).Round(time.Second), total)
			return
		}
	}
}

// chaosCount is what has happened.
type chaosCount struct {
	kills                  map[string]int
	prunes, pruned, gone   int
	acked, unacked, handed int // records; of the handed ones each follower counts
	lost                   int // acknowledged records that a follower was told it had missed
	fragments              uint64
}

func (c *chaosCount) add(d chaosCount) {
	if c.kills == nil {
		c.kills = make(map[string]int)
	}
	for role, n := range d.kills {
		c.kills[role] += n
	}
	c.prunes += d.prunes
	c.pruned += d.pruned
	c.gone += d.gone
	c.acked += d.acked
	c.unacked += d.unacked
	c.handed += d.handed
	c.lost += d.lost
	c.fragments += d.fragments
}

type chaos struct {
	t     *testing.T
	rng   *rand.Rand
	dir   string
	lives map[string]int // of each slot
	scale int
	count chaosCount
	ended chan *chaosLife
}

// chaosLife is a process and what it has told by bytes.
type chaosLife struct {
	*child
	role string
	slot string // also the name of its diary
	told map[byte]int
}

func (c *chaos) journal() string          { return filepath.Join(c.dir, "journal") }
func (c *chaos) diary(slot string) string { return filepath.Join(c.dir, slot) }
func slotName(role string, i int) string  { return fmt.Sprint(role, i) }
func (c *chaos) running(alive map[string]*chaosLife, role string) (n int) {
	for _, l := range alive {
		if l.role == role {
			n++
		}
	}
	return n
}

// start starts a process that will be killed after some of what it tells, at a
// random moment after that.
func (c *chaos) start(role, slot string, life int) *chaosLife {
	c.lives[slot]++
	args := []string{c.diary(slot), c.journal()}
	if role != "chaos-follow" {
		args = append(args, fmt.Sprintf("%s.%d", slot, c.lives[slot]))
	}
	l := &chaosLife{spawn(c.t, role, args...), role, slot, make(map[byte]int)}
	ticks := c.rng.IntN(life)
	spins := 0
	if c.rng.IntN(2) == 0 {
		spins = c.rng.IntN(2_000_000)
	}
	go func() {
		for range ticks {
			b, err := l.out.ReadByte()
			if err != nil {
				break
			}
			l.told[b]++
		}
		for range spins { // a random moment, not a time
		}
		l.cmd.Process.Kill() // it may have ended; then its stderr says why
		rest, _ := io.ReadAll(l.out)
		for _, b := range rest {
			l.told[b]++
		}
		c.ended <- l
	}()
	return l
}

// reap takes a killed process and what it has told into account.
func (c *chaos) reap(l *chaosLife) {
	c.t.Helper()
	l.cmd.Wait() // killed
	if l.err.Len() > 0 || l.cmd.ProcessState.Exited() {
		c.t.Fatalf("%s was not killed but ended, %v: %s", l.slot, l.cmd.ProcessState, l.err.String())
	}
	c.count.kills[l.role]++
	c.count.prunes += l.told[toldPrune]
	c.count.gone += l.told[toldGone]
}

// times is how often something has to happen that happens n times by default.
func (c *chaos) times(n int) int {
	if testing.Short() {
		return n / 3
	}
	return n * c.scale
}

// enough reports whether everything has happened often enough.
func (c *chaos) enough() bool {
	for _, k := range chaosKinds {
		if c.count.kills[k.role] < c.times(k.need) {
			return false
		}
	}
	return c.count.prunes >= c.times(chaosPrunes) && c.count.gone >= c.times(chaosGone)
}

// run kills and starts until enough has happened, and then lets the followers
// come to the end.
func (c *chaos) run() {
	c.count.kills = make(map[string]int)
	c.ended = make(chan *chaosLife, 16)                 // room for all, for nobody receives once the test has failed
	open(c.t, c.journal(), chaosOptions(c.rng)).Close() // followers need a journal
	alive := make(map[string]*chaosLife)
	type absent struct {
		role, slot string
		life, left int // left is how many others die before it comes back
	}
	var away []absent
	for _, k := range chaosKinds {
		for i := range k.slots {
			away = append(away, absent{k.role, slotName(k.role, i), k.life, 0})
		}
	}
	for !c.enough() {
		// The last writer is not kept away: without one nothing would happen.
		away = slices.DeleteFunc(away, func(a absent) bool {
			if a.left > 0 && !(a.role == "chaos-write" && c.running(alive, a.role) == 0) {
				return false
			}
			alive[a.slot] = c.start(a.role, a.slot, a.life)
			return true
		})
		l := <-c.ended
		delete(alive, l.slot)
		c.reap(l)
		for i := range away {
			away[i].left--
		}
		back := absent{l.role, l.slot, 0, 0}
		for _, k := range chaosKinds {
			if k.role == l.role {
				back.life = k.life
			}
		}
		if c.rng.IntN(3) == 0 {
			back.left = c.rng.IntN(12)
		}
		away = append(away, back)
	}
	for _, l := range alive {
		l.cmd.Process.Kill() // Wait tells
	}
	for range len(alive) {
		c.reap(<-c.ended)
	}
}

// chaosLine is what a diary says of one record.
type chaosLine struct {
	writer, seq, sum uint64
	next             journal.Position
}

// chaosGap is what a follower was told was pruned.
type chaosGap struct{ from, to journal.Position }

// chaosDiary is the diary of a follower.
type chaosDiary struct {
	lines map[journal.Position]chaosLine
	gone  []chaosGap
}

func (d *chaosDiary) isGone(p journal.Position) bool {
	return slices.ContainsFunc(d.gone, func(s chaosGap) bool { return !p.Before(s.from) && p.Before(s.to) })
}

// parseLine reads the fields behind the kind: positions and decimals.
func (c *chaos) parseLine(fields []string) (at journal.Position, l chaosLine) {
	c.t.Helper()
	at, err := journal.ParsePosition(fields[1])
	for i, to := range []*uint64{&l.writer, &l.seq, &l.sum} {
		n, nerr := strconv.ParseUint(fields[2+i], 10, 64)
		*to, err = n, errors.Join(err, nerr)
	}
	if len(fields) > 5 {
		next, nerr := journal.ParsePosition(fields[5])
		l.next, err = next, errors.Join(err, nerr)
	}
	if err != nil {
		c.t.Fatalf("%q: %v", fields, err)
	}
	return at, l
}

func (c *chaos) readDiary(slot string) [][]string {
	b, err := os.ReadFile(c.diary(slot))
	if err != nil && !errors.Is(err, os.ErrNotExist) { // it may have died before it began
		c.t.Fatal(err)
	}
	return diaryLines(b)
}

// check brings the followers to the end and holds everything against everything.
func (c *chaos) check() {
	t := c.t
	final := all(t, c.journal())
	if len(final) == 0 {
		t.Fatal("the journal is empty")
	}
	last := final[len(final)-1]
	kinds := chaosKinds[1]
	for i := range kinds.slots {
		slot := slotName(kinds.role, i)
		spawn(t, kinds.role, c.diary(slot), c.journal(), last.Position.String()).finish(t)
	}
	if t.Failed() {
		t.FailNow()
	}
	// known is everything that anybody was told.
	known := make(map[journal.Position]chaosLine)
	acked := make(map[journal.Position]bool)
	learn := func(who string, at journal.Position, l chaosLine) {
		k, ok := known[at]
		if ok && (k.writer != l.writer || k.seq != l.seq || k.sum != l.sum ||
			!k.next.IsZero() && !l.next.IsZero() && k.next != l.next) {
			t.Fatalf("%s has %+v at %v, somebody else %+v", who, l, at, k)
		}
		if k.next.IsZero() {
			known[at] = l
		}
	}
	for _, rec := range final {
		if _, _, err := parse(rec.Value); err != nil {
			t.Fatal(err)
		}
		learn("the journal", rec.Position, chaosLine{rec.Writer, rec.Seq, xxhash.Sum64(rec.Value), rec.Next})
	}
	there := len(known)
	for i := range chaosKinds[0].slots {
		slot := slotName(chaosKinds[0].role, i)
		for _, fields := range c.readDiary(slot) {
			at, l := c.parseLine(fields)
			if acked[at] {
				t.Fatalf("%s: %v is acknowledged twice", slot, at)
			}
			acked[at] = true
			learn(slot, at, l)
		}
	}
	oldest := journal.FirstPosition(c.oldest())
	for at := range acked {
		if !at.Before(oldest) && known[at].next.IsZero() {
			t.Errorf("the acknowledged record %v is not in the journal, whose oldest position is %v", at, oldest)
		}
	}
	var followers []chaosDiary
	for i := range kinds.slots {
		slot := slotName(kinds.role, i)
		d := c.follower(slot)
		for at, l := range d.lines {
			learn(slot, at, l)
		}
		followers = append(followers, d)
		c.count.handed += len(d.lines)
	}
	c.agree(followers, known, acked, oldest, there)
	c.count.acked += len(acked)
	c.count.unacked += len(known) - len(acked)
	c.count.pruned += int(oldest.Segment - 1)
	c.count.fragments += verify(t, c.journal()).Classes[journal.Fragment].Count
	if !c.enough() || oldest.Segment < uint64(c.times(chaosPrunes)) || c.count.acked < c.times(500) || c.count.handed < c.times(1000) {
		t.Errorf("too little has happened: %+v, the oldest segment is %d", c.count, oldest.Segment)
	}
}

// agree: all that is known was handed to each follower, but for what it was told
// was pruned, and nothing above the pruned position that the journal, with there
// records, does not have.
func (c *chaos) agree(followers []chaosDiary, known map[journal.Position]chaosLine, acked map[journal.Position]bool, oldest journal.Position, there int) {
	for i, d := range followers {
		above := 0
		for at, l := range known {
			_, has := d.lines[at]
			switch {
			case !has && !d.isGone(at):
				c.t.Errorf("follower %d was not handed %v, %+v, and nobody told it that this was pruned", i, at, l)
			case !has && acked[at]:
				c.count.lost++
			case has && !at.Before(oldest):
				above++
			}
		}
		for _, s := range d.gone {
			if oldest.Before(s.to) {
				c.t.Errorf("follower %d was told that %v is the oldest position; it is %v", i, s.to, oldest)
			}
		}
		if above != there {
			c.t.Errorf("follower %d was handed %d records from %v on; the journal has %d", i, above, oldest, there)
		}
	}
}

// oldest is the oldest segment in the end.
func (c *chaos) oldest() uint64 {
	j := open(c.t, c.journal(), journal.Options{ReadOnly: true})
	defer j.Close() // read only
	oldest, _, err := j.SegmentRange()
	if err != nil {
		c.t.Fatal(err)
	}
	return oldest
}

// follower reads a follower's diary: in journal order, nothing twice, each
// writer's records in their order and without a gap that was not told of.
func (c *chaos) follower(slot string) chaosDiary {
	d := chaosDiary{lines: make(map[journal.Position]chaosLine)}
	var at journal.Position // where it is
	gone := 0
	seqs := make(map[uint64][2]uint64) // of each writer its last one, and gone then
	for _, fields := range c.readDiary(slot) {
		if fields[0][0] == toldGone {
			from, err := journal.ParsePosition(fields[1])
			to, terr := journal.ParsePosition(fields[2])
			if err = errors.Join(err, terr); err != nil {
				c.t.Fatalf("%s: %q: %v", slot, fields, err)
			}
			if from.Before(at) || !from.Before(to) || to.Offset != journal.FirstPosition(1).Offset {
				c.t.Fatalf("%s: at %v it was told that %v to %v is gone", slot, at, from, to)
			}
			d.gone = append(d.gone, chaosGap{from, to})
			at = to
			gone++
			continue
		}
		p, l := c.parseLine(fields)
		if p.Before(at) || !p.Before(l.next) {
			c.t.Fatalf("%s: %v to %v comes behind %v", slot, p, l.next, at)
		}
		if s, ok := seqs[l.writer]; l.seq != s[0]+1 && (!ok && gone == 0 || ok && (l.seq <= s[0] || s[1] == uint64(gone))) {
			c.t.Fatalf("%s: number %d of writer %d comes behind %d at %v", slot, l.seq, l.writer, s[0], p)
		}
		seqs[l.writer] = [2]uint64{l.seq, uint64(gone)}
		d.lines[p] = l
		at = l.next
	}
	return d
}
