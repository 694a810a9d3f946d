// Package browser holds the tests that open the pages of this project in a
// browser. It is a module of its own, so that the library does not depend on what
// drives the browser.
package browser
