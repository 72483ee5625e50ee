package doctor

import (
	"context"
	"errors"
	"time"

	"github.com/manypen/manypen/journal"
)

// there is a record as a reader was given it.
type there struct {
	key         string
	writer, seq uint64
	at          journal.Position
	genuine     bool // its value is the one that belongs to the key
}

// killEvidence is what was seen while writers were killed and afterwards.
type killEvidence struct {
	kills     int
	begun     map[string]bool // keys that victims began to append, and the last
	acks      []acknowledged  // of victims
	survivors []survivor
	records   []there          // that are in the journal
	own       string           // digest of what this process read
	followed  []string         // digests of what others followed
	damage    []journal.Damage // that reading met
	report    journal.Report   // of Verify
}

// read reads the journal.
func (ev *killEvidence) read(ctx context.Context, j *journal.Journal, dir string) (err error) {
	reader, err := journal.Open(dir, journal.Options{ReadOnly: true, OnDamage: func(d journal.Damage) { ev.damage = append(ev.damage, d) }})
	if err != nil {
		return err
	}
	var d digest
	for r, err := range reader.Records(journal.Position{}) {
		if err != nil {
			return errors.Join(err, reader.Close())
		}
		d.add(&r)
		key := string(r.Key)
		ev.records = append(ev.records, there{key, r.Writer, r.Seq, r.Position, key == lastKey || genuine(key, r.Value)})
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), reader.Close())
		}
	}
	ev.own = d.String()
	ev.report, err = journal.Verify(ctx, dir, journal.VerifyOptions{})
	return errors.Join(err, reader.Close())
}

// judgeKill judges all of it.
func judgeKill(ev *killEvidence) []Finding {
	return []Finding{
		ev.judgePlaces(),
		ev.judgeAcks(),
		ev.judgeSequence(),
		ev.judgeTorn(),
		ev.judgeVerify(),
		ev.judgeOthers(),
	}
}

// judgePlaces: every acknowledged record stands whole where its acknowledgement says.
func (ev *killEvidence) judgePlaces() Finding {
	at := make(map[journal.Position]there)
	for _, r := range ev.records {
		at[r.at] = r
	}
	acks, elsewhere, mixed := ev.all(), 0, 0
	for _, a := range acks {
		r, ok := at[a.at]
		switch {
		case !ok || r.key != a.key || r.seq != a.seq:
			elsewhere++
		case !r.genuine:
			mixed++
		}
	}
	return found(1, verdict(elsewhere > 0 || mixed > 0),
		"%d records were acknowledged by %d processes that appended to one journal: %d are not at the place that was told, %d have other bytes",
		len(acks), ev.kills+len(ev.survivors), elsewhere, mixed)
}

func (ev *killEvidence) all() []acknowledged {
	acks := append([]acknowledged{}, ev.acks...)
	for _, s := range ev.survivors {
		acks = append(acks, s.acks...)
	}
	return acks
}

// judgeAcks: what was acknowledged is there once.
func (ev *killEvidence) judgeAcks() Finding {
	seen := make(map[string]int)
	for _, r := range ev.records {
		seen[r.key]++
	}
	lost, twice := 0, 0
	for _, a := range ev.all() {
		switch n := seen[a.key]; {
		case n == 0:
			lost++
		case n > 1:
			twice++
		}
	}
	return found(2, verdict(lost > 0 || twice > 0),
		"death of processes: %d writers were killed while they appended %d bytes, behind %d acknowledgements: %d acknowledged records of any writer are lost, %d are there twice",
		ev.kills, victimSize, len(ev.acks), lost, twice)
}

// judgeSequence: all readers saw the same, nothing twice, nothing that nobody
// appended.
func (ev *killEvidence) judgeSequence() Finding {
	other, twice, strange := 0, 0, 0
	for _, d := range ev.followed {
		if d != ev.own {
			other++
		}
	}
	given := make(map[string]bool)
	for _, a := range ev.all() {
		given[a.key] = true
	}
	keys := make(map[string]bool)
	type id struct{ writer, seq uint64 }
	ids := make(map[id]bool)
	for _, r := range ev.records {
		if keys[r.key] || ids[id{r.writer, r.seq}] {
			twice++
		}
		keys[r.key], ids[id{r.writer, r.seq}] = true, true
		if !r.genuine || !given[r.key] && !ev.begun[r.key] {
			strange++
		}
	}
	return found(3, verdict(other > 0 || twice > 0 || strange > 0 || len(ev.followed) == 0),
		"%d processes followed the journal meanwhile, and one read it afterwards: %d saw another sequence; of its %d records %d are there twice, %d were given by nobody",
		len(ev.followed), other, len(ev.records), twice, strange)
}

// judgeTorn: reading goes on behind what the kills left.
func (ev *killEvidence) judgeTorn() Finding {
	torn, result := ev.report.Classes[journal.Fragment], NotTested
	if torn.Count > 0 {
		result = verdict(ev.behindFirst() == 0 || len(ev.readBehind()) > 0)
	}
	return found(4, result,
		"%d kills tore %d records, of which %d bytes stand in the journal: %d records were read behind the first, %d torn ones end the journal",
		ev.kills, torn.Count, torn.Bytes, ev.behindFirst(), len(ev.readBehind()))
}

// readBehind returns the fragments behind which there is no record.
func (ev *killEvidence) readBehind() (none []journal.Damage) {
	if len(ev.records) == 0 {
		return ev.damage
	}
	last := ev.records[len(ev.records)-1].at
	for _, d := range ev.damage {
		if d.Class == journal.Fragment && !d.From.Before(last) {
			none = append(none, d)
		}
	}
	return none
}

// behindFirst counts the records behind the first fragment.
func (ev *killEvidence) behindFirst() (n int) {
	for _, d := range ev.damage {
		if d.Class != journal.Fragment {
			continue
		}
		for _, r := range ev.records {
			if d.From.Before(r.at) {
				n++
			}
		}
		break
	}
	return n
}

// judgeVerify: nothing is missing, and all that is no record is a fragment or void.
func (ev *killEvidence) judgeVerify() Finding {
	r := &ev.report
	hole, corrupt := r.Classes[journal.Hole].Count, r.Classes[journal.Corruption].Count
	wrong := r.Corrupt() || r.Missing() > 0 || hole > 0 || corrupt > 0 || len(r.Problems) > 0 ||
		r.Records != uint64(len(ev.records))
	return found(5, verdict(wrong),
		"after the kills a verification counts %d records (%d were read), %d missing, %d fragments, %d voids, %d holes, %d corrupt, %d other problems",
		r.Records, len(ev.records), r.Missing(), r.Classes[journal.Fragment].Count, r.Classes[journal.Void].Count, hole, corrupt, len(r.Problems))
}

// judgeOthers: who was not killed went on.
func (ev *killEvidence) judgeOthers() Finding {
	stuck, ended, appends := 0, "", 0
	var longest, resumed time.Duration
	for _, s := range ev.survivors {
		appends += len(s.acks)
		longest = max(longest, s.longest)
		for _, d := range s.resumed {
			if resumed = max(resumed, d); d < 0 || d > heldUp {
				stuck++
			}
		}
		if len(s.resumed) < ev.kills {
			stuck += ev.kills - len(s.resumed)
		}
		if s.failed != "" {
			ended = "; one failed: " + s.failed
		}
	}
	return found(6, verdict(stuck > 0 || ended != "" || longest > heldUp || len(ev.survivors) == 0),
		"%d other processes appended %d records beside %d kills: the longest append took %v, the next one was done at most %v after a kill, %d times none was%s",
		len(ev.survivors), appends, ev.kills, round(longest), round(resumed), stuck, ended)
}

// round is a duration in three digits or so.
func round(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}
