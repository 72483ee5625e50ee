package jslog

// NewOn is New with a journal that fails when a test wants it to.
var NewOn = newHandler

type Appender = appender
