// Package wait holds what every port needs to block and be freed again: a
// [Deadline] that can be moved while calls wait for it, a [Notifier] that wakes
// all who wait for a change, a byte [Ring], the [Edges] of modem lines, and
// [Sleep].
//
// Everything here blocks on channels alone, so it is durably blocking under
// testing/synctest.
package wait
