package journal

// Through makes w append to another journal, and returns the one before.
func Through(w *LineWriter, j *Journal) *Journal {
	before := w.j
	w.j = j
	return before
}
