package vio

import "os"

// writePages and readPages take the way without a copy, if the handle and the
// pieces have the shape for it: see gatherAt.

func writePages(f *os.File, v *vector, p place) (n int, ok bool, err error) {
	if p.off == Current || v.skip != 0 || v.pieces < 2 {
		return 0, false, nil
	}
	return gatherAt(f, v.bufs, p.off)
}

func readPages(f *os.File, v *vector, p place) (n int, ok bool, err error) {
	if p.off == Current || v.skip != 0 || v.pieces < 2 {
		return 0, false, nil
	}
	return scatterAt(f, v.bufs, p.off)
}
