// Package control is the page that the writers of a journal share: a few words
// in a file that all of them have mapped, and the lock under which they sync.
//
// The page is a cache of one boot. It may be removed, zeroed, cut off or
// replaced at any moment: appends and readers never depend on it, and whoever
// finds it unusable makes a new one after recovery (package writer). Its words,
// each of which only ever grows:
//
//	active  the highest segment whose name is known to be durable
//	syn     the position up to which every valid byte is on disk
//	att     the number of the last fdatasync that was begun
//	ok      the number of the last fdatasync that is known to have succeeded
//	bad     not zero once one has failed, for good
//
// Beside them are hints for those who wait: for the sync lock (gather.go) and for
// records (news.go).
//
// Who writes what, and why a stale read harms nobody, stands at each accessor.
// Where writers share no memory a private page takes its place (NewPrivate).
package control
