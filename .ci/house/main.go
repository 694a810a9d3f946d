// Command house reports figures of the source that reviews look at, and fails
// where one is out of its bounds: functions that are used once, names of Go's
// builtin functions, small files, and words that the comments avoid.
//
//	go run .ci/house/main.go ./...
//
// It needs the go command and no module but this one.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	// maxOnce bounds the share of functions that are called in one place and
	// tested nowhere by name: each is a name to learn, which a step of the
	// domain is worth and a piece of a body is not.
	maxOnce = 0.20

	// minLines is the size below which a file is joined with another one of its
	// subject, unless a build constraint keeps it apart.
	minLines = 40
)

// avoided are words that a reader of technical English does not expect in a
// comment; the standard library has a term for each.
var avoided = regexp.MustCompile(`(?i)\b(nobody|somebody|whoever|at once|far end|folders?|time-outs?|mistakes?)\b`)

// pkg is a package as go list describes it, type-checked.
type pkg struct {
	path, dir string
	fset      *token.FileSet
	files     []*ast.File
	uses      map[*ast.Ident]types.Object
	defs      map[*ast.Ident]types.Object
}

func main() {
	pkgs, err := load(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "house:", err)
		os.Exit(2)
	}
	var c census
	for _, p := range pkgs {
		c.functions(p)
		c.names(p)
	}
	c.sources()
	fmt.Printf("%d functions: %d unexported and used once (%.1f %%), of which %d only as values, %d named in tests of their package\n",
		c.total, c.once, 100*float64(c.once)/float64(c.total), c.values, c.tested)
	share := float64(c.once-c.values-c.tested) / float64(c.total)
	fmt.Printf("called in one place and tested nowhere by name: %.1f %%, at most %.0f %%\n", 100*share, 100*maxOnce)
	if share > maxOnce {
		c.faults = append(c.faults, "too many functions are called in one place: return those that are no step of the domain to their callers")
	}
	for _, f := range c.faults {
		fmt.Println(f)
	}
	if len(c.faults) > 0 {
		os.Exit(1)
	}
}

// load type-checks the packages, without their tests, against the export data
// of what they import.
func load(patterns []string) ([]*pkg, error) {
	const format = `{{.ImportPath}}	{{.Export}}	{{if not .DepOnly}}{{.Dir}}{{end}}	{{join .GoFiles " "}}`
	list := exec.Command("go", append([]string{"list", "-export", "-deps", "-f", format}, patterns...)...)
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		return nil, err
	}
	exports := make(map[string]string)
	var pkgs []*pkg
	fset := token.NewFileSet()
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		exports[f[0]] = f[1]
		if f[2] == "" {
			continue
		}
		p := &pkg{path: f[0], dir: f[2], fset: fset, uses: make(map[*ast.Ident]types.Object), defs: make(map[*ast.Ident]types.Object)}
		for _, name := range strings.Fields(f[3]) {
			file, err := parser.ParseFile(fset, filepath.Join(p.dir, name), nil, parser.ParseComments)
			if err != nil {
				return nil, err
			}
			p.files = append(p.files, file)
		}
		pkgs = append(pkgs, p)
	}
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	for _, p := range pkgs {
		config := types.Config{Importer: imports}
		if _, err := config.Check(p.path, fset, p.files, &types.Info{Uses: p.uses, Defs: p.defs}); err != nil {
			return nil, err
		}
	}
	return pkgs, nil
}

// census counts what the packages hold.
type census struct {
	total, once, values, tested int
	faults                      []string
}

// functions counts those of p that are used once.
func (c *census) functions(p *pkg) {
	uses := make(map[types.Object]int)
	called := make(map[types.Object]bool)
	for _, o := range p.uses {
		uses[origin(o)]++
	}
	for _, f := range p.files {
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				switch fun := call.Fun.(type) {
				case *ast.Ident:
					called[origin(p.uses[fun])] = true
				case *ast.SelectorExpr:
					called[origin(p.uses[fun.Sel])] = true
				}
			}
			return true
		})
	}
	tests := testNames(p.dir)
	for _, f := range p.files {
		for _, d := range f.Decls {
			fun, ok := d.(*ast.FuncDecl)
			if !ok || fun.Body == nil {
				continue
			}
			c.total++
			o := origin(p.defs[fun.Name])
			if fun.Name.IsExported() || uses[o] != 1 {
				continue
			}
			c.once++
			switch {
			case !called[o]:
				c.values++
			case tests[fun.Name.Name]:
				c.tested++
			}
		}
	}
}

// origin returns the generic function of an instance.
func origin(o types.Object) types.Object {
	if f, ok := o.(*types.Func); ok {
		return f.Origin()
	}
	return o
}

// testNames returns the identifiers of the tests in dir.
func testNames(dir string) map[string]bool {
	names := make(map[string]bool)
	tests, _ := filepath.Glob(filepath.Join(dir, "*_test.go"))
	for _, test := range tests {
		file, err := parser.ParseFile(token.NewFileSet(), test, nil, parser.SkipObjectResolution)
		if err != nil {
			continue // go vet reports it
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				names[id.Name] = true
			}
			return true
		})
	}
	return names
}

// names reports declarations that hide a builtin function. A method hides none.
func (c *census) names(p *pkg) {
	var found []*ast.Ident
	for id, o := range p.defs {
		if o == nil {
			continue
		}
		if f, ok := o.(*types.Func); ok && f.Signature().Recv() != nil {
			continue
		}
		if v, ok := o.(*types.Var); ok && v.IsField() {
			continue
		}
		if _, ok := types.Universe.Lookup(id.Name).(*types.Builtin); ok {
			found = append(found, id)
		}
	}
	slices.SortFunc(found, func(a, b *ast.Ident) int { return cmp.Compare(a.Pos(), b.Pos()) })
	for _, id := range found {
		c.faults = append(c.faults, fmt.Sprintf("%v: %s hides the builtin function", p.fset.Position(id.Pos()), id.Name))
	}
}

// sources checks every Go file of the tree, for any system.
func (c *census) sources() {
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == ".git" || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(name) != ".go":
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if n := bytes.Count(text, []byte("\n")); n < minLines && !strings.HasSuffix(name, "_test.go") && filepath.Base(name) != "main.go" && filepath.Base(name) != "doc.go" && !apart(name, text) {
			c.faults = append(c.faults, fmt.Sprintf("%s: %d lines; join it with a file of its subject", name, n))
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, ".ci") {
			return nil
		}
		for _, group := range file.Comments {
			for _, comment := range group.List {
				if word := avoided.FindString(comment.Text); word != "" {
					c.faults = append(c.faults, fmt.Sprintf("%v: a comment has the word %q; see CONTRIBUTING.md", fset.Position(comment.Pos()), word))
				}
			}
		}
		return nil
	})
	if err != nil {
		c.faults = append(c.faults, err.Error())
	}
}

// apart reports whether a build constraint, in the text or the name, or another
// program's output keeps a file apart from others.
func apart(name string, text []byte) bool {
	if filepath.Dir(name) == "." || bytes.Contains(text, []byte("DO NOT EDIT")) {
		return true
	}
	for scan := bufio.NewScanner(bytes.NewReader(text)); scan.Scan(); {
		if constraint.IsGoBuild(scan.Text()) {
			return true
		}
	}
	base := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(name), ".go"), "_test")
	_, last, found := strings.Cut(base, "_")
	for ; found; _, last, found = strings.Cut(last, "_") {
		if slices.Contains([]string{"linux", "windows", "darwin", "freebsd", "openbsd", "unix", "others", "plan9"}, last) {
			return true
		}
	}
	return false
}
