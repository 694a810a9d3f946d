// Package lint holds what the parsers of script languages share: their findings,
// the error that lists them, and the source of a script with the checks that
// every file must pass.
//
// The parsers of this module return a [ParseError] for a script that cannot run
// and the remaining findings, all of them warnings, from a method Warnings. A
// parser of another language can be written on the same types.
package lint
