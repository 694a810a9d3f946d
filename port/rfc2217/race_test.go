//go:build race

package rfc2217_test

func init() { raceEnabled = true }
