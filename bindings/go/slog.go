// A Logger that writes to log/slog.

package raft

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"time"
)

// SlogLogger is a [Logger] that hands everything to a *slog.Logger, for [Config.Logger] and [SetLogger].
// The records name the place that the call came from. Fatal and Panic, which no node of this package
// calls, log an error and then end the process or panic, as those of [DefaultLogger] do.
func SlogLogger(logger *slog.Logger) Logger { return slogLogger{logger} }

type slogLogger struct{ logger *slog.Logger }

// write logs for the caller's caller. The text is only made if somebody wants it.
func (l slogLogger) write(level slog.Level, text func() string) {
	ctx := context.Background()
	if !l.logger.Enabled(ctx, level) {
		return
	}
	var place [1]uintptr
	runtime.Callers(3, place[:])
	record := slog.NewRecord(time.Now(), level, text(), place[0])
	_ = l.logger.Handler().Handle(ctx, record)
}

func (l slogLogger) Debug(v ...any) {
	l.write(slog.LevelDebug, func() string { return fmt.Sprint(v...) })
}

func (l slogLogger) Debugf(format string, v ...any) {
	l.write(slog.LevelDebug, func() string { return fmt.Sprintf(format, v...) })
}

func (l slogLogger) Error(v ...any) {
	l.write(slog.LevelError, func() string { return fmt.Sprint(v...) })
}

func (l slogLogger) Errorf(format string, v ...any) {
	l.write(slog.LevelError, func() string { return fmt.Sprintf(format, v...) })
}

func (l slogLogger) Info(v ...any) {
	l.write(slog.LevelInfo, func() string { return fmt.Sprint(v...) })
}

func (l slogLogger) Infof(format string, v ...any) {
	l.write(slog.LevelInfo, func() string { return fmt.Sprintf(format, v...) })
}

func (l slogLogger) Warning(v ...any) {
	l.write(slog.LevelWarn, func() string { return fmt.Sprint(v...) })
}

func (l slogLogger) Warningf(format string, v ...any) {
	l.write(slog.LevelWarn, func() string { return fmt.Sprintf(format, v...) })
}

func (l slogLogger) Fatal(v ...any) {
	l.write(slog.LevelError, func() string { return fmt.Sprint(v...) })
	os.Exit(1)
}

func (l slogLogger) Fatalf(format string, v ...any) {
	l.write(slog.LevelError, func() string { return fmt.Sprintf(format, v...) })
	os.Exit(1)
}

func (l slogLogger) Panic(v ...any) {
	text := fmt.Sprint(v...)
	l.write(slog.LevelError, func() string { return text })
	panic(text)
}

func (l slogLogger) Panicf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	l.write(slog.LevelError, func() string { return text })
	panic(text)
}
