// Where a node says what nobody is there to be told as a returned error.

package raft

import (
	"fmt"
	"log"
	"os"
	"sync"
)

// Logger takes what a node has to say. A node of this package never calls Fatal or Panic.
type Logger interface {
	// Debug and Debugf take what only the library's developers want to know.
	Debug(v ...any)
	Debugf(format string, v ...any)

	// Error and Errorf take what ends a node.
	Error(v ...any)
	Errorf(format string, v ...any)

	// Info and Infof take what is part of a group's life, such as a new leader.
	Info(v ...any)
	Infof(format string, v ...any)

	// Warning and Warningf take what somebody may have to look into.
	Warning(v ...any)
	Warningf(format string, v ...any)

	// Fatal and Fatalf are there for loggers made for go.etcd.io/raft.
	Fatal(v ...any)
	Fatalf(format string, v ...any)

	// Panic and Panicf likewise.
	Panic(v ...any)
	Panicf(format string, v ...any)
}

var (
	defaultLogger = &DefaultLogger{Logger: log.New(os.Stderr, "raft ", log.LstdFlags)}

	loggerMutex  sync.Mutex
	commonLogger Logger = defaultLogger
)

// SetLogger sets the logger of nodes that are made later without one of their own.
func SetLogger(l Logger) {
	loggerMutex.Lock()
	defer loggerMutex.Unlock()
	commonLogger = l
}

// ResetDefaultLogger undoes SetLogger.
func ResetDefaultLogger() {
	SetLogger(defaultLogger)
}

func getLogger() Logger {
	loggerMutex.Lock()
	defer loggerMutex.Unlock()
	return commonLogger
}

// DefaultLogger writes to a log.Logger, each line with its level in front.
type DefaultLogger struct {
	*log.Logger
	debug bool
}

// EnableTimestamps puts the date and the time in front of each line.
func (l *DefaultLogger) EnableTimestamps() {
	l.SetFlags(l.Flags() | log.LstdFlags)
}

// EnableDebug lets Debug and Debugf write, which they do not otherwise.
func (l *DefaultLogger) EnableDebug() {
	l.debug = true
}

// write says in which line of the caller's caller it was called.
func (l *DefaultLogger) write(level, text string) {
	_ = l.Output(3, level+": "+text)
}

// Debug writes if that is enabled.
func (l *DefaultLogger) Debug(v ...any) {
	if l.debug {
		l.write("DEBUG", fmt.Sprint(v...))
	}
}

// Debugf writes if that is enabled.
func (l *DefaultLogger) Debugf(format string, v ...any) {
	if l.debug {
		l.write("DEBUG", fmt.Sprintf(format, v...))
	}
}

// Info writes.
func (l *DefaultLogger) Info(v ...any) { l.write("INFO", fmt.Sprint(v...)) }

// Infof writes.
func (l *DefaultLogger) Infof(format string, v ...any) { l.write("INFO", fmt.Sprintf(format, v...)) }

// Warning writes.
func (l *DefaultLogger) Warning(v ...any) { l.write("WARN", fmt.Sprint(v...)) }

// Warningf writes.
func (l *DefaultLogger) Warningf(format string, v ...any) {
	l.write("WARN", fmt.Sprintf(format, v...))
}

// Error writes.
func (l *DefaultLogger) Error(v ...any) { l.write("ERROR", fmt.Sprint(v...)) }

// Errorf writes.
func (l *DefaultLogger) Errorf(format string, v ...any) { l.write("ERROR", fmt.Sprintf(format, v...)) }

// Fatal writes, and ends the process.
func (l *DefaultLogger) Fatal(v ...any) {
	l.write("FATAL", fmt.Sprint(v...))
	os.Exit(1)
}

// Fatalf writes, and ends the process.
func (l *DefaultLogger) Fatalf(format string, v ...any) {
	l.write("FATAL", fmt.Sprintf(format, v...))
	os.Exit(1)
}

// Panic writes, and panics.
func (l *DefaultLogger) Panic(v ...any) { l.Logger.Panic(v...) }

// Panicf writes, and panics.
func (l *DefaultLogger) Panicf(format string, v ...any) { l.Logger.Panicf(format, v...) }
