package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/manypen/manypen/cmd/jtool/internal/child"
	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/journal"
)

// The timeline of this experiment:
//
//	followers  begin at the oldest record and wait for what comes
//	survivors  append small records all the time
//	victim     appends 2 MiB once or twice, says that it begins another time, and
//	           is killed a moment later, before the append can be expected to end
//	           ... as many victims, one after the other, as there are kills
//	           the survivors are told to stop; a last record ends the followers
const (
	victimSize = 2 << 20
	lastKey    = "last"
	// heldUp is how long an append may take beside a kill before it counts as held
	// up by it: a disk that is busy takes long too.
	heldUp = 10 * time.Second
)

var survivorSizes = [...]int{100, 5 << 10, 100, 100, 64 << 10, 100, 100, 100}

func killOptions() journal.Options {
	return journal.Options{Sync: journal.SyncNone, SegmentSize: 16 << 20}
}

// roleVictim appends large records: victim DIR NAME. It says "begin KEY" in front
// of each, and "ack KEY SEQ POSITION" behind.
func roleVictim(ctx context.Context, c *child.Conn, args []string) error {
	return appendWith(args, func(j *journal.Journal, name string) error {
		for n := 1; ctx.Err() == nil; n++ {
			key := keyOf(name, n, victimSize)
			value := valueOf(key, victimSize)
			if err := c.Say("begin %s", key); err != nil {
				return err
			}
			ack, err := j.AppendAck([]byte(key), value)
			if err == nil {
				err = c.Say("ack %s %d %v", key, ack.Seq, ack.Position)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// roleSurvivor appends small records, with a pause behind each, until it is told
// to stop: survivor DIR NAME. It says "ack KEY SEQ POSITION BEGIN END", the last two
// in nanoseconds since 1970.
func roleSurvivor(ctx context.Context, c *child.Conn, args []string) error {
	return appendWith(args, func(j *journal.Journal, name string) error {
		pause := time.NewTicker(300 * time.Microsecond)
		defer pause.Stop()
		for n := 1; ctx.Err() == nil; n++ {
			if _, stop := c.Heard(); stop {
				return nil
			}
			size := survivorSizes[n%len(survivorSizes)]
			key := keyOf(name, n, size)
			value := valueOf(key, size)
			begin := time.Now()
			ack, err := j.AppendAck([]byte(key), value)
			if err == nil {
				err = c.Say("ack %s %d %v %d %d", key, ack.Seq, ack.Position, begin.UnixNano(), begin.Add(time.Since(begin)).UnixNano())
			}
			if err != nil {
				return err
			}
			<-pause.C
		}
		return nil
	})
}

func appendWith(args []string, f func(j *journal.Journal, name string) error) error {
	if len(args) != 2 {
		return fmt.Errorf("want a directory and a name, not %q", args)
	}
	j, err := journal.Open(args[0], killOptions())
	if err != nil {
		return err
	}
	return errors.Join(f(j, args[1]), j.Close())
}

// roleFollow reads the journal until the last record: follow DIR ro|rw. It says
// "followed" and the digest of what it saw.
func roleFollow(ctx context.Context, c *child.Conn, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("follow takes 2 arguments, not %q", args)
	}
	opts := killOptions()
	opts.ReadOnly = args[1] == "ro"
	j, err := journal.Open(args[0], opts)
	if err != nil {
		return err
	}
	var d digest
	for r, err := range j.Follow(ctx, journal.Position{}) {
		if err != nil {
			return errors.Join(err, j.Close())
		}
		d.add(&r)
		if string(r.Key) == lastKey {
			break
		}
	}
	return errors.Join(c.Say("followed %v", &d), j.Close())
}

// acknowledged is a record that its writer was told to be in the journal.
type acknowledged struct {
	key string
	seq uint64
	at  journal.Position
}

// survivor is what is known of one that went on.
type survivor struct {
	name    string
	acks    []acknowledged
	longest time.Duration   // of its appends
	resumed []time.Duration // from each kill to the end of the next append, -1 if there was none
	failed  string          // why it ended early
}

// listener reads what a survivor says.
type listener struct {
	p  *child.Process
	mu sync.Mutex
	survivor
	after time.Time     // waits for an append that began later
	found chan struct{} // closed when there is one; nil if nobody waits
	ended chan struct{}
	err   error
}

func listen(p *child.Process, name string) *listener {
	l := &listener{p: p, survivor: survivor{name: name}, ended: make(chan struct{})}
	go func() {
		defer close(l.ended)
		for {
			line, err := p.Line()
			if err == nil {
				err = l.take(line)
			}
			if err != nil {
				l.err = err
				return
			}
		}
	}()
	return l
}

func (l *listener) take(line string) error {
	ack, rest, err := parseAck(line)
	if err != nil {
		return err
	}
	var begin, end int64
	if _, err := fmt.Sscanf(rest, "%d %d", &begin, &end); err != nil {
		return fmt.Errorf("%q: %w", line, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acks = append(l.acks, ack)
	l.longest = max(l.longest, time.Duration(end-begin))
	if l.found != nil && begin > l.after.UnixNano() {
		l.resumed = append(l.resumed, time.Duration(end-l.after.UnixNano()))
		close(l.found)
		l.found = nil
	}
	return nil
}

// watch makes the listener look for an append that begins now or later.
func (l *listener) watch() chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.after, l.found = time.Now(), make(chan struct{})
	return l.found
}

// await waits until watch has found something, or too long.
func (l *listener) await(ctx context.Context, found chan struct{}) error {
	limit := time.NewTimer(heldUp)
	defer limit.Stop()
	select {
	case <-found:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-limit.C:
	case <-l.ended:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.found != nil {
		l.found, l.resumed = nil, append(l.resumed, -1)
	}
	return nil
}

// parseAck reads "ack KEY SEQ POSITION" and returns what follows.
func parseAck(line string) (a acknowledged, rest string, err error) {
	f := strings.SplitN(line, " ", 5)
	if len(f) < 4 || f[0] != "ack" {
		return a, "", fmt.Errorf("%q is no acknowledgement", line)
	}
	a.key = f[1]
	if a.seq, err = strconv.ParseUint(f[2], 10, 64); err == nil {
		a.at, err = journal.ParsePosition(f[3])
	}
	if len(f) == 5 {
		rest = f[4]
	}
	return a, rest, err
}

func (l *lab) kill() (err error) {
	if l.alone(2, 3, 4, 5, 6) {
		return nil
	}
	dir := filepath.Join(l.dir, "journal")
	j, err := journal.Open(dir, killOptions())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	ev := killEvidence{begun: map[string]bool{lastKey: true}}
	var followers []*child.Process
	for _, mode := range []string{"ro", "rw"} {
		p, err := l.start("follow", dir, mode)
		if err != nil {
			return err
		}
		followers = append(followers, p)
	}
	var survivors []*listener
	for _, name := range []string{"survivor-a", "survivor-b"} {
		p, err := l.start("survivor", dir, name)
		if err != nil {
			return err
		}
		survivors = append(survivors, listen(p, name))
	}
	for n := range l.count(24, 10) {
		if err := l.killOne(&ev, dir, fmt.Sprint("victim-", n), survivors); err != nil {
			return err
		}
	}
	for _, s := range survivors {
		if err := s.stop(l.ctx); err != nil {
			return err
		}
		ev.survivors = append(ev.survivors, s.survivor)
	}
	ack, err := j.AppendAck([]byte(lastKey), nil)
	if err != nil {
		return err
	}
	ev.acks = append(ev.acks, acknowledged{lastKey, ack.Seq, ack.Position})
	for _, p := range followers {
		seen, err := p.Expect("followed")
		if err != nil {
			return err
		}
		ev.followed = append(ev.followed, seen)
	}
	if err := ev.read(l.ctx, j, dir); err != nil {
		return err
	}
	l.add(judgeKill(&ev)...)
	return nil
}

// stop ends a survivor and takes what it has said last.
func (l *listener) stop(ctx context.Context) error {
	select {
	case <-l.ended:
	default:
		if err := l.p.Tell("stop"); err != nil {
			return err
		}
	}
	select {
	case <-l.ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := l.p.Wait(); err != nil {
		l.failed = err.Error()
	}
	if l.err != io.EOF {
		return fmt.Errorf("%s: %w", l.name, l.err)
	}
	return nil
}

// killOne lets a victim begin to append and kills it.
func (l *lab) killOne(ev *killEvidence, dir, name string, survivors []*listener) error {
	p, err := l.start("victim", dir, name)
	if err != nil {
		return err
	}
	at := 2 + l.rng.IntN(2) // the append that it is killed in
	var began time.Time
	var took time.Duration // of the append in front of that
	for n := 0; n < at; {
		line, err := p.Line()
		if err != nil {
			return errors.Join(fmt.Errorf("%s ended by itself: %w", name, err), p.Wait())
		}
		if strings.HasPrefix(line, "begin ") {
			n, began = n+1, time.Now()
		} else {
			took = time.Since(began)
		}
		if err := ev.victimSays(line); err != nil {
			return err
		}
	}
	// A sleep would be longer than the append.
	for wait := time.Duration(l.rng.Float64() * float64(min(took, 100*time.Millisecond))); time.Since(began) < wait; {
		host.Yield()
	}
	err = p.Kill()
	var found []chan struct{}
	for _, s := range survivors {
		found = append(found, s.watch())
	}
	lines, lerr := p.Lines() // to the end of the pipe: what was acknowledged in time
	if err := errors.Join(err, lerr); err != nil {
		return err
	}
	for _, line := range lines {
		if err := ev.victimSays(line); err != nil {
			return err
		}
	}
	if err := p.Wait(); !child.Killed(err) {
		return fmt.Errorf("%s was to be killed, but: %w", name, errors.Join(err, os.ErrProcessDone))
	}
	ev.kills++
	for i, s := range survivors {
		if err := s.await(l.ctx, found[i]); err != nil {
			return err
		}
	}
	return nil
}

func (ev *killEvidence) victimSays(line string) error {
	if key, ok := strings.CutPrefix(line, "begin "); ok {
		ev.begun[key] = true
		return nil
	}
	ack, _, err := parseAck(line)
	if err == nil {
		ev.acks = append(ev.acks, ack)
	}
	return err
}
