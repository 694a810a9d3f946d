package main

import (
	"io"
	"os"

	"github.com/rasline/rasline/script/lint"
	"github.com/rasline/rasline/script/scriptfile"
)

// load reads the script that the flags name.
func (d *dialer) load() (*scriptfile.Script, error) {
	o := d.opts
	var src []byte
	if o.lang != "dll" {
		f, err := os.Open(o.script)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if src, err = io.ReadAll(io.LimitReader(f, scriptfile.MaxSource+1)); err != nil {
			return nil, err
		}
	}
	cfg := &scriptfile.Config{Language: o.lang, Log: d.log, Terminal: d.screen}
	if !o.check && !o.list {
		cfg.Section = o.section
	}
	return scriptfile.Load(o.script, src, cfg)
}

// broken reports whether one of the findings is an error.
func broken(findings []lint.Finding) bool {
	for _, f := range findings {
		if f.Severity == lint.SeverityError {
			return true
		}
	}
	return false
}
