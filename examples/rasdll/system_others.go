//go:build !windows

package main

func registryDir() string { return "" }

// debugOutput has nobody to show the log to.
type debugOutput struct{}

func (debugOutput) Write(b []byte) (int, error) { return len(b), nil }
