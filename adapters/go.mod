// What joins the journal to the log libraries of others. It is a module of its
// own so that nobody who uses the journal gets to see their dependencies.
module github.com/manypen/manypen/adapters

go 1.26.0

require (
	github.com/go-logr/logr v1.4.4
	github.com/manypen/manypen v0.0.0
	github.com/rs/zerolog v1.35.1
	github.com/sirupsen/logrus v1.10.2
	go.uber.org/zap v1.28.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/google/btree v1.1.3 // indirect
	github.com/mattn/go-colorable v0.1.14 // indirect
	github.com/mattn/go-isatty v0.0.20 // indirect
	go.uber.org/multierr v1.10.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/manypen/manypen => ..
