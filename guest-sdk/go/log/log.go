// Package log writes to the connector's log (group log).
//
// A line that the host refuses, because the rate is used up or the group was
// not granted, is lost and counted there: a guest has nothing to do about it,
// so the functions answer no error.
package log

import (
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

// Debug writes a line for who looks for a fault.
func Debug(text string) { Write(abi.LogDebug, "", text) }

// Info writes a line on what happened as it should.
func Info(text string) { Write(abi.LogInfo, "", text) }

// Warning writes a line on what may need a look.
func Warning(text string) { Write(abi.LogWarning, "", text) }

// Error writes a line on what went wrong.
func Error(text string) { Write(abi.LogError, "", text) }

// Critical writes a line on what ends the connector's work.
func Critical(text string) { Write(abi.LogCritical, "", text) }

// Write writes one line. The target names a part of the connector, and may be
// empty.
func Write(level abi.LogLevel, target, text string) {
	line := abi.LogLine{Level: level, Target: target, Text: text}
	_, _ = hostWrite(line.Append(hostcall.Request()))
}
