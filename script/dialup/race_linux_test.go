//go:build race

package dialup_test

const raceEnabled = true
