package doctor

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/manypen/manypen/journal"
)

// A spoiler makes good evidence bad in one way, and names the promises that do not
// hold then; without any, nothing must fail and something is not shown.
type spoiler[E any] struct {
	name  string
	spoil func(*E)
	fails []int
}

// judged holds a judge against good evidence, which must hold for all promises, and
// against each way of spoiling it, which must fail for those that it names.
func judged[E any](t *testing.T, good func() E, judge func(*E) []Finding, spoilers []spoiler[E]) {
	t.Helper()
	ev := good()
	for _, f := range judge(&ev) {
		if f.Result != Holds {
			t.Errorf("good evidence: P%d %v: %s", f.Promise, f.Result, f.Evidence)
		}
	}
	for _, s := range spoilers {
		ev := good()
		s.spoil(&ev)
		var failed []int
		shown := true
		for _, f := range judge(&ev) {
			if f.Result == Fails && !slices.Contains(failed, f.Promise) {
				failed = append(failed, f.Promise)
			}
			shown = shown && f.Result != NotTested
			if f.Evidence == "" {
				t.Errorf("%s: P%d %v without a word", s.name, f.Promise, f.Result)
			}
		}
		slices.Sort(failed)
		if !slices.Equal(failed, s.fails) {
			t.Errorf("%s: %v do not hold, want %v", s.name, failed, s.fails)
		}
		if len(s.fails) == 0 && shown {
			t.Errorf("%s: everything is said to hold", s.name)
		}
	}
}

func one[E any](judge func(*E) Finding) func(*E) []Finding {
	return func(ev *E) []Finding { return []Finding{judge(ev)} }
}

// rawFile lays out records of 2 writers that take turns, 20 each.
func rawFile() (b []byte, ev rawEvidence) {
	ev = rawEvidence{count: 20, ends: []map[int]int64{{}, {}}}
	for seq := 1; seq <= ev.count; seq++ {
		for w := range ev.ends {
			for _, piece := range rawPieces(w, seq, valueOf("raw", 100+seq)) {
				b = append(b, piece...)
			}
			ev.ends[w][seq] = int64(len(b))
		}
	}
	return b, ev
}

func TestJudgeInterleaving(t *testing.T) {
	good := func() rawEvidence {
		b, ev := rawFile()
		ev.records, ev.bad = rawParse(b)
		return ev
	}
	// file parses other bytes with the same acknowledgements.
	file := func(change func(b []byte) []byte) func(*rawEvidence) {
		return func(ev *rawEvidence) {
			b, _ := rawFile()
			ev.records, ev.bad = rawParse(change(b))
		}
	}
	first := len(slices.Concat(rawPieces(0, 1, valueOf("raw", 101))...))
	judged(t, good, one(judgeInterleaving), []spoiler[rawEvidence]{
		{"two records are interleaved", file(func(b []byte) []byte {
			// The value of the first comes behind the header and the key of the second.
			mixed := slices.Concat(b[:40], b[first:first+40], b[40:first], b[first+40:])
			return mixed
		}), []int{1}},
		{"one is torn in two by another", file(func(b []byte) []byte {
			return slices.Concat(b[:60], b[first:2*first], b[60:first], b[2*first:])
		}), []int{1}},
		{"one is overwritten", file(func(b []byte) []byte {
			copy(b[first:2*first], b[:first])
			return b
		}), []int{1}},
		{"the last is lost", file(func(b []byte) []byte { return b[:len(b)-first-19] }), []int{1}},
		{"one is cut", file(func(b []byte) []byte { return b[:len(b)-1] }), []int{1}},
		{"one byte is wrong", file(func(b []byte) []byte { b[50] ^= 1; return b }), []int{1}},
		{"zeros stand between two", file(func(b []byte) []byte { return slices.Insert(b, first, 0, 0, 0, 0) }), []int{1}},
		{"all is lost", file(func([]byte) []byte { return nil }), []int{1}},
		{"a file position is that of another writer", func(ev *rawEvidence) { ev.ends[0][7] = ev.ends[1][7] }, []int{1}},
		{"a file position was not told", func(ev *rawEvidence) { delete(ev.ends[1], 3) }, []int{1}},
		{"a record of nobody", func(ev *rawEvidence) { ev.records = append(ev.records, rawRecord{9, 1, 100}) }, []int{1}},
		{"a record with an impossible number", func(ev *rawEvidence) { ev.records = append(ev.records, rawRecord{1, 21, 100}) }, []int{1}},
		{"they did not run at the same time", func(ev *rawEvidence) {
			slices.SortStableFunc(ev.records, func(a, b rawRecord) int { return a.writer - b.writer })
		}, nil},
	})
}

// A parser that can be led astray by what stands in a value would see records that
// nobody appended.
func TestRawParse(t *testing.T) {
	inner := slices.Concat(rawPieces(1, 1, nil)...)
	b := slices.Concat(rawPieces(0, 1, inner)...)
	if records, bad := rawParse(b); len(records) != 1 || bad != 0 || records[0].writer != 0 {
		t.Errorf("a record in a record: %v, %d", records, bad)
	}
	for n := range b {
		records, bad := rawParse(b[:n])
		if sum := bad; len(records) == 1 {
			sum += int64(len(inner))
			if sum != int64(n) {
				t.Errorf("%d bytes: %v and %d bad ones", n, records, bad)
			}
		} else if len(records) > 1 || bad != int64(n) {
			t.Errorf("%d bytes: %v and %d bad ones", n, records, bad)
		}
	}
}

func at(off int64) journal.Position { return journal.Position{Segment: 1, Offset: off} }

// afterKills is what is seen if all goes well: two survivors, one victim whose
// second append was torn, at 3000.
func afterKills() killEvidence {
	ev := killEvidence{
		kills: 1,
		begun: map[string]bool{"victim/1": true, "victim/2": true, lastKey: true},
		acks:  []acknowledged{{"victim/1", 1, at(2000)}, {lastKey, 1, at(6000)}},
		survivors: []survivor{
			{name: "a", acks: []acknowledged{{"a/1", 1, at(1000)}, {"a/2", 2, at(4000)}}, longest: time.Millisecond, resumed: []time.Duration{time.Millisecond}},
			{name: "b", acks: []acknowledged{{"b/1", 1, at(5000)}}, resumed: []time.Duration{2 * time.Millisecond}},
		},
		records: []there{
			{"a/1", 7, 1, at(1000), true}, {"victim/1", 8, 1, at(2000), true}, {"a/2", 7, 2, at(4000), true},
			{"b/1", 9, 1, at(5000), true}, {lastKey, 6, 1, at(6000), true},
		},
		own: "5 abc", followed: []string{"5 abc", "5 abc"},
		damage: []journal.Damage{{From: at(3000), To: at(4000), Class: journal.Fragment}},
	}
	ev.report = journal.Report{Records: 5, Classes: map[journal.DamageClass]journal.ClassReport{journal.Fragment: {Count: 1, Bytes: 1000}}}
	return ev
}

func TestJudgeKill(t *testing.T) {
	drop := func(n int) func(*killEvidence) {
		return func(ev *killEvidence) {
			ev.records = slices.Delete(ev.records, n, n+1)
			ev.report.Records--
		}
	}
	class := func(c journal.DamageClass) func(*killEvidence) {
		return func(ev *killEvidence) { ev.report.Classes[c] = journal.ClassReport{Count: 1, Bytes: 10} }
	}
	judged(t, afterKills, judgeKill, []spoiler[killEvidence]{
		{"an acknowledged record of the victim is lost", drop(1), []int{1, 2}},
		{"one of a survivor is lost", drop(3), []int{1, 2}},
		{"one is elsewhere", func(ev *killEvidence) { ev.records[2].at.Offset++ }, []int{1}},
		{"one has another number", func(ev *killEvidence) { ev.records[2].seq = 5 }, []int{1}},
		{"one has other bytes", func(ev *killEvidence) { ev.records[0].genuine = false }, []int{1, 3}},
		{"one is there twice", func(ev *killEvidence) {
			ev.records = append(ev.records, there{"a/1", 7, 9, at(7000), true})
			ev.report.Records++
		}, []int{2, 3}},
		{"a number is there twice", func(ev *killEvidence) {
			ev.records[3].writer, ev.records[3].seq = 7, 2
			ev.survivors[1].acks[0].seq = 2
		}, []int{3}},
		{"one that nobody gave", func(ev *killEvidence) {
			ev.records = append(ev.records, there{"c/1", 7, 3, at(7000), true})
			ev.report.Records++
		}, []int{3}},
		{"a follower saw another sequence", func(ev *killEvidence) { ev.followed[1] = "5 abd" }, []int{3}},
		{"nobody followed", func(ev *killEvidence) { ev.followed = nil }, []int{3}},
		{"reading ends at the fragment", func(ev *killEvidence) {
			ev.damage[0].From = at(6500)
		}, []int{4}},
		{"no kill tore a record", func(ev *killEvidence) {
			ev.damage, ev.report.Classes = nil, map[journal.DamageClass]journal.ClassReport{}
		}, nil},
		{"Verify counts fewer", func(ev *killEvidence) { ev.report.Records-- }, []int{5}},
		{"a hole", class(journal.Hole), []int{5}},
		{"corruption", class(journal.Corruption), []int{5}},
		{"a segment is missing", func(ev *killEvidence) { ev.report.Problems = []error{journal.ErrMissing} }, []int{5}},
		{"a record is missing", func(ev *killEvidence) {
			ev.report.Writers = []journal.WriterReport{{Missing: 1, Gaps: []journal.Gap{{From: 1, To: 1}}}}
		}, []int{5}},
		{"a survivor went on too late", func(ev *killEvidence) { ev.survivors[0].resumed[0] = heldUp + 1 }, []int{6}},
		{"a survivor never went on", func(ev *killEvidence) { ev.survivors[0].resumed[0] = -1 }, []int{6}},
		{"nobody looked whether one went on", func(ev *killEvidence) { ev.survivors[0].resumed = nil }, []int{6}},
		{"an append took too long", func(ev *killEvidence) { ev.survivors[1].longest = heldUp + 1 }, []int{6}},
		{"a survivor failed", func(ev *killEvidence) { ev.survivors[1].failed = "input/output error" }, []int{6}},
		{"there was no survivor", func(ev *killEvidence) {
			ev.survivors, ev.records, ev.report.Records = nil, []there{ev.records[1], ev.records[4]}, 2
		}, []int{6}},
	})
}

func TestJudgeShort(t *testing.T) {
	good := func() shortEvidence {
		return shortEvidence{
			at: at(9000), written: 1000, want: 5000, keys: []string{"short/1/1", "later/1/1"}, genuine: 2,
			damage: []journal.Damage{{From: at(9000), To: at(10000), Class: journal.Fragment}},
		}
	}
	judged(t, good, judgeShort, []spoiler[shortEvidence]{
		{"another error", func(ev *shortEvidence) { ev.said = `other "EFBIG"` }, []int{8}},
		{"no error", func(ev *shortEvidence) { ev.said = `other "<nil>"` }, []int{8}},
		{"no place", func(ev *shortEvidence) { ev.at = journal.Position{} }, []int{5, 8}},
		{"nothing was written", func(ev *shortEvidence) { ev.written = 0 }, []int{5, 8}},
		{"everything was written", func(ev *shortEvidence) { ev.written = 5000 }, []int{5, 8}},
		{"nobody can append any more", func(ev *shortEvidence) { ev.later = errors.New("stuck") }, []int{4}},
		{"what stands behind is not read", func(ev *shortEvidence) { ev.keys, ev.genuine = ev.keys[:1], 1 }, []int{4}},
		{"the fragment is read as a record", func(ev *shortEvidence) { ev.keys = append(ev.keys, "short/2/5000") }, []int{4}},
		{"a record has other bytes", func(ev *shortEvidence) { ev.genuine = 1 }, []int{4}},
		{"the fragment is not told", func(ev *shortEvidence) { ev.damage = nil }, []int{5}},
		{"it is told as corruption", func(ev *shortEvidence) { ev.damage[0].Class = journal.Corruption }, []int{5}},
		{"it is told elsewhere", func(ev *shortEvidence) { ev.damage[0].From.Offset = 8999 }, []int{5}},
		{"it is told too long", func(ev *shortEvidence) { ev.damage[0].To.Offset++ }, []int{5}},
		{"Verify misses a record", func(ev *shortEvidence) { ev.missing = 1 }, []int{5}},
		{"Verify sees corruption", func(ev *shortEvidence) { ev.corrupt = true }, []int{5}},
	})
}

func TestJudgeCopies(t *testing.T) {
	type evidence struct {
		all   []copied
		again error
	}
	good := func() evidence {
		return evidence{all: []copied{
			{what: "copy", least: 10, most: -1, got: 12}, {what: "copy", least: 20, most: -1, got: 20}, {what: "first 9000 bytes", least: 5, most: 5, got: 5},
		}}
	}
	judge := func(ev *evidence) []Finding { return []Finding{judgeCopies(ev.all, ev.again)} }
	judged(t, good, judge, []spoiler[evidence]{
		{"a copy lacks an acknowledged record", func(ev *evidence) { ev.all[1].got = 19 }, []int{7}},
		{"a first part lacks a record", func(ev *evidence) { ev.all[2].got = 4 }, []int{7}},
		{"a first part has more than it can", func(ev *evidence) { ev.all[2].got = 6 }, []int{7}},
		{"a record is not in its turn", func(ev *evidence) { ev.all[0].strange = 1 }, []int{7}},
		{"one does not open", func(ev *evidence) { ev.all[2].trouble = "not a journal" }, []int{7}},
		{"nobody can append to one", func(ev *evidence) { ev.again = errors.New("locked") }, []int{7}},
		{"nothing was copied", func(ev *evidence) { ev.all = nil }, []int{7}},
	})
}

func TestJudgeDamage(t *testing.T) {
	all := []original{{"a", 1, at(1000), at(2000)}, {"b", 2, at(2000), at(3000)}, {"c", 3, at(3000), at(4000)}}
	good := func() flipped {
		return flipped{
			at: at(2000), from: 2000, to: 3000, offset: 2500, victim: 1, lost: []int{1}, corrupt: true, strictly: true,
			damage: []journal.Damage{{From: at(2000), To: at(3000), Class: journal.Corruption}},
			gaps:   []journal.Gap{{From: 2, To: 2, Before: at(3000), Explained: true}},
		}
	}
	judge := func(ev *flipped) []Finding { return judgeDamage([]flipped{*ev}, len(all), all) }
	judged(t, good, judge, []spoiler[flipped]{
		{"a second record is lost", func(ev *flipped) { ev.lost = []int{1, 2} }, []int{4}},
		{"another record is lost", func(ev *flipped) { ev.lost = []int{0} }, []int{4}},
		{"the damaged record is read", func(ev *flipped) { ev.lost = nil }, []int{4}},
		{"a record is read with other bytes", func(ev *flipped) { ev.wrong = 1 }, []int{4}},
		{"reading ends with an error", func(ev *flipped) { ev.incomplete = "input/output error" }, []int{4}},
		{"it is not told", func(ev *flipped) { ev.damage = nil }, []int{5}},
		{"it is told as a fragment", func(ev *flipped) { ev.damage[0].Class = journal.Fragment }, []int{5}},
		{"it is told elsewhere", func(ev *flipped) { ev.damage[0].From, ev.damage[0].To = at(1000), at(2000) }, []int{5}},
		{"something else is told too", func(ev *flipped) { ev.damage = append(ev.damage, ev.damage[0]) }, []int{5}},
		{"the gap is not found", func(ev *flipped) { ev.gaps = nil }, []int{5}},
		{"the gap has another number", func(ev *flipped) { ev.gaps[0].From = 1 }, []int{5}},
		{"the gap is not explained", func(ev *flipped) { ev.gaps[0].Explained = false }, []int{5}},
		{"a verification sees nothing", func(ev *flipped) { ev.corrupt = false }, []int{5}},
		{"a strict reader goes on", func(ev *flipped) { ev.strictly = false }, []int{5}},
	})
	if f := judgeDamage(nil, 3, all); f[0].Result == Holds || f[1].Result == Holds {
		t.Errorf("without any damage: %v", f)
	}
}

func TestJudgeInput(t *testing.T) {
	type evidence struct {
		all   []attempt
		ended error
	}
	good := func() (ev evidence) {
		for _, in := range inputs {
			ev.all = append(ev.all, attempt{what: in.what})
		}
		return ev
	}
	judge := func(ev *evidence) []Finding { return []Finding{judgeInput(ev.all, ev.ended)} }
	judged(t, good, judge, []spoiler[evidence]{
		{"one was taken", func(ev *evidence) { ev.all[1].bad = "it was opened" }, []int{8}},
		{"the process crashed at one", func(ev *evidence) { ev.all, ev.ended = ev.all[:2], errors.New("exit status 2") }, []int{8}},
		{"the process crashed behind the last", func(ev *evidence) { ev.ended = errors.New("exit status 2") }, []int{8}},
		{"one was not tried", func(ev *evidence) { ev.all = ev.all[1:] }, []int{8}},
	})
}

func TestJudgeShared(t *testing.T) {
	good := func() sharedEvidence { return sharedEvidence{rounds: 10, done: 10, locks: 3, shut: 3, freed: 3} }
	judged(t, good, judgeShared, []spoiler[sharedEvidence]{
		{"a store was not seen", func(ev *sharedEvidence) { ev.done, ev.trouble = 4, "word 1 is 4, want 5" }, []int{2, 6}},
		{"a wake did not come", func(ev *sharedEvidence) { ev.lost = 1 }, []int{6}},
		{"a lock kept nobody out", func(ev *sharedEvidence) { ev.shut = 2 }, []int{6}},
		{"a lock outlived its holder", func(ev *sharedEvidence) { ev.freed = 2 }, []int{6}},
		{"nobody got a lock", func(ev *sharedEvidence) { ev.locks, ev.shut, ev.freed = 0, 0, 0 }, []int{6}},
		{"there are no shared mappings", func(ev *sharedEvidence) {
			*ev = sharedEvidence{unmapped: true, trouble: "ENODEV", locks: 1, shut: 1, freed: 1}
		}, nil},
	})
}

func TestJudgeNames(t *testing.T) {
	good := func() namesEvidence { return namesEvidence{renamed: "new", links: 2} }
	bad := errors.New("not supported")
	judged(t, good, func(ev *namesEvidence) []Finding { return []Finding{judgeNames(*ev)} }, []spoiler[namesEvidence]{
		{"a rename fails", func(ev *namesEvidence) { ev.rename = bad }, []int{2}},
		{"the old file is still there", func(ev *namesEvidence) { ev.renamed = "old" }, []int{2}},
		{"the directory cannot be synced", func(ev *namesEvidence) { ev.dirSync = bad }, []int{2}},
	})
	ev := good()
	ev.link, ev.links = bad, 1
	if f := judgeNames(ev); f.Result != Holds {
		t.Errorf("without hard links: %v", f)
	}
}

// One bad finding is enough, one aside is not.
func TestReport(t *testing.T) {
	for _, c := range []struct {
		findings []Finding
		want     Result
		sound    bool
	}{
		{nil, NotTested, true},
		{[]Finding{{Promise: 2, Result: Holds}}, NotTested, true},
		{[]Finding{{Promise: 1, Result: Holds}}, Holds, true},
		{[]Finding{{Promise: 1, Result: NotTested}, {Promise: 1, Result: Holds}}, Holds, true},
		{[]Finding{{Promise: 1, Result: Fails}, {Promise: 1, Result: Holds}}, Fails, false},
		{[]Finding{{Promise: 1, Result: NotTested}, {Promise: 1, Result: Fails}}, Fails, false},
		{[]Finding{{Promise: 1, Result: Holds, Aside: true}}, NotTested, true},
		{[]Finding{{Promise: 1, Result: Holds}, {Promise: 1, Result: Fails, Aside: true}}, Fails, false},
	} {
		r := Report{Findings: c.findings}
		if got, _ := r.Of(1); got != c.want || r.Sound() != c.sound {
			t.Errorf("%v: %v, %v", c.findings, got, r.Sound())
		}
		if r.Refused = true; r.Sound() {
			t.Errorf("%v: sound, although a second writer is refused", c.findings)
		}
	}
	var r Report
	r.untested("tmpfs")
	for p := range Promises {
		if result, findings := r.Of(p + 1); result != NotTested || len(findings) == 0 {
			t.Errorf("P%d: %v, %v", p+1, result, findings)
		}
	}
	if got := fmt.Sprint(NotTested, Holds, Fails); got != "not tested holds does not hold" {
		t.Error(got)
	}
}

func TestGenuine(t *testing.T) {
	key := keyOf("writer", 3, 100)
	value := valueOf(key, 100)
	if !genuine(key, value) {
		t.Error("a value is not what it is")
	}
	other := slices.Clone(value)
	other[99] ^= 1
	for _, c := range []struct {
		key   string
		value []byte
	}{{key, other}, {key, value[:99]}, {key, nil}, {keyOf("writer", 4, 100), value}, {"", nil}, {"writer", value}, {"writer/x", value}} {
		if genuine(c.key, c.value) {
			t.Errorf("%q with %d bytes is genuine", c.key, len(c.value))
		}
	}
}
