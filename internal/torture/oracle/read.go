package oracle

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// read is section 6 for one segment.
func (j *Journal) read(s *Segment) error {
	limit, behind := s.Limit, Void
	if s.Cut >= 0 && s.Cut < limit {
		limit, behind = s.Cut, Dropped
	}
	dead := len(j.Stretches)
	o := int64(HeaderSize)
	for {
		if o >= s.Size || o >= limit { // 1
			switch {
			case s.Final && o >= limit && o < s.Size:
				j.stretch(s, o, s.Size, behind)
			case s.Final && o < limit:
				j.stretch(s, o, limit, Hole)
			}
			break
		}
		if f, ok := s.whole(o); ok { // 2
			j.deliver(s, &f)
			o = f.To
			continue
		}
		q, ok := s.nextHead(o, limit) // 3
		if !ok && !s.Final {
			j.stretch(s, o, s.Size, Pending)
			j.tell(s, o, limit)
			break
		}
		for o < q && o < limit { // 4
			o = j.judge(s, o, q, limit)
		}
	}
	return s.account(j.Stretches[dead:])
}

func (j *Journal) stretch(s *Segment, from, to int64, class Class) {
	j.Stretches = append(j.Stretches, Stretch{s.Number, from, to, class})
}

func (j *Journal) deliver(s *Segment, f *Frame) {
	s.Frames = append(s.Frames, *f)
	switch {
	case !f.Interpreted:
		j.Unknown++
	case f.Kind == Mark:
		j.Marks++
		if j.reached == nil {
			j.reached = make(map[uint64]uint64)
		}
		j.reached[f.Writer] = max(j.reached[f.Writer], f.Seq)
	case f.Kind == Gap:
		j.Gaps = append(j.Gaps, *f)
	case f.Kind == Batch:
		j.Records = append(j.Records, f.entries...)
		j.Unknown += f.otherEntries
	default:
		j.Records = append(j.Records, Record{Position: Position{s.Number, f.From, 0}, End: f.To, Kind: f.Kind,
			Time: f.Time, Writer: f.Writer, Seq: f.Seq, Key: f.Key, Value: f.Value})
	}
}

// tell is section 6.3: of what is pending from o on, judged as if nothing could come
// behind it, the corruption and what lies in front of it. No record is in it that
// starts below the limit, or it would not be pending.
func (j *Journal) tell(s *Segment, o, limit int64) {
	final := *s
	final.Final, final.Full = true, false
	q, _ := final.nextHead(o, limit)
	var seen Journal
	for o < q && o < limit {
		o = seen.judge(&final, o, q, limit)
	}
	for n, st := range seen.Stretches {
		if st.Class == Corruption {
			j.Told = seen.Stretches[:n+1]
		}
	}
}

// nextHead is the smallest offset above o with a valid header, or the size.
func (s *Segment) nextHead(o, limit int64) (int64, bool) {
	for q := o + 1; q+headSize <= s.Size && (s.Final || q < limit); q++ {
		i := bytes.Index(s.Bytes[q:], s.Marker[:])
		if i < 0 {
			break
		}
		if q += int64(i); !s.Final && q >= limit {
			break
		}
		if _, ok := s.head(q); ok {
			return q, true
		}
	}
	return s.Size, false
}

// judge gives the verdict on the dead stretch at o, which ends at q at the latest, and
// returns where the verdict ends.
func (j *Journal) judge(s *Segment, o, q, limit int64) int64 {
	m := q
	if i := bytes.Index(s.Bytes[o+1:q], s.Marker[:]); i >= 0 {
		m = o + 1 + int64(i)
	}
	if s.Final && !s.Full && m >= min(limit, s.Size) {
		return j.judgeEnd(s, o, m, limit)
	}
	z := min(m, limit)
	if zeros(s.Bytes[o:z]) {
		j.stretch(s, o, z, Hole)
		return z
	}
	class := Corruption
	if s.torn(o, m) {
		class = Fragment
	}
	j.stretch(s, o, m, class)
	return m
}

func zeros(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }

// torn is the last paragraph of 6.1.
func (s *Segment) torn(lo, hi int64) bool {
	if hi-lo >= headSize {
		length, ok := s.head(lo)
		return ok && lo+length > hi
	}
	return bytes.HasPrefix(s.Bytes[lo:hi], s.Marker[:min(8, hi-lo)])
}

// judgeEnd is section 6.2, step by step.
func (j *Journal) judgeEnd(s *Segment, o, m, limit int64) int64 {
	length, head := s.head(o)
	c := o + length
	z := min(m, limit) // 1
	if head && c > limit {
		z = m
	}
	d := o + int64(len(bytes.TrimRight(s.Bytes[o:z], "\x00")))
	if d == o { // 2
		class := Hole
		if s.Size >= limit {
			class = Unused
		}
		j.stretch(s, o, z, class)
		return z
	}
	if d == z { // 3
		d = m
	}
	end, class := d, Fragment
	switch {
	case !head || c > m: // 4
		if !s.torn(o, d) {
			class = Corruption
		}
	case d <= c-8: // 5
	case d < c && s.begunChecksum(o, c, d): // 6
	default: // 7
		end, class = max(d, c), Corruption
	}
	j.stretch(s, o, end, class)
	return end
}

// begunChecksum reports whether [c-8, d) are the first bytes of the checksum of the
// record [o, c).
func (s *Segment) begunChecksum(o, c, d int64) bool {
	var sum [8]byte
	binary.LittleEndian.PutUint64(sum[:], hash(s.Bytes[o:c-8])^s.Seed)
	return bytes.HasPrefix(sum[:], s.Bytes[c-8:d])
}

// account makes sure that records and stretches together are the whole segment: every
// byte once, and nothing beyond but the hole up to the limit.
func (s *Segment) account(dead []Stretch) error {
	o, f := int64(HeaderSize), 0
	for o < s.Size {
		switch {
		case f < len(s.Frames) && s.Frames[f].From == o:
			o = s.Frames[f].To
			f++
		case len(dead) > 0 && dead[0].From == o && dead[0].To > o:
			o = dead[0].To
			dead = dead[1:]
		case !s.Final && o >= s.Limit:
			return nil // nobody can say yet
		default:
			return fmt.Errorf("oracle: nothing accounts for offset %d of segment %d", o, s.Number)
		}
	}
	if f != len(s.Frames) || len(dead) > 1 || len(dead) == 1 && dead[0].Class != Hole {
		return fmt.Errorf("oracle: segment %d: %d records and %v come behind its end", s.Number, len(s.Frames)-f, dead)
	}
	return nil
}
