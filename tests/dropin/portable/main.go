// Command portable takes those tests of a package out of it that use nothing but its exported names,
// so that another package with the same interface can be put to them.
//
//	portable -from DIR -adapters FILE -rewrites FILE -skip FILE -o FILE
//
// A test goes by what it refers to, itself and through the helpers in the test files. What it may
// not refer to are unexported names of the package, other than those that the adapters declare: a
// Go file, whose names also stand in for helpers of the same name. Each line of the rewrites has an
// expression or a statement, ` => `, and what is written in its place. Each line of the file of
// those to skip has the name of a test and the reason. On standard output, each test that is not
// taken is named with the reason.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"go/types"
	"log"
	"os"
	"slices"
	"sort"
	"strings"

	"golang.org/x/tools/go/packages"
)

func main() {
	log.SetFlags(0)
	from := flag.String("from", "", "the directory of the package")
	adapters := flag.String("adapters", "", "a Go file with what stands in for unexported names")
	rewrites := flag.String("rewrites", "", "a list of what to write in another way")
	skip := flag.String("skip", "", "a list of tests to leave out, with the reasons")
	output := flag.String("o", "", "the file to write")
	flag.Parse()

	s, err := load(*from)
	if err != nil {
		log.Fatal(err)
	}
	if err := s.adapt(*adapters); err != nil {
		log.Fatal(err)
	}
	if s.rewrites, err = readList(*rewrites, " => "); err != nil {
		log.Fatal(err)
	}
	reasons, err := readList(*skip, " ")
	if err != nil {
		log.Fatal(err)
	}
	taken := s.choose(reasons)
	text, err := s.write(taken)
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(*output, text, 0o644); err != nil {
		log.Fatal(err)
	}
}

// source is a package with its own tests.
type source struct {
	pkg *packages.Package
	// The declarations in test files, by what they declare; the methods of a type are among its
	// own.
	decls map[types.Object][]ast.Node
	// The names that adapters declare.
	adapted map[string]bool
	// What is written in another way.
	rewrites map[string]string
	isTest   map[*token.File]bool
}

func load(dir string) (*source, error) {
	loaded, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes |
			packages.NeedTypesInfo | packages.NeedImports | packages.NeedForTest,
		Dir:   dir,
		Tests: true,
	}, ".")
	if err != nil {
		return nil, err
	}
	for _, pkg := range loaded {
		if len(pkg.Errors) > 0 {
			return nil, pkg.Errors[0]
		}
		if pkg.ForTest == "" || strings.HasSuffix(pkg.Name, "_test") || pkg.Name == "main" {
			continue
		}
		s := &source{
			pkg: pkg, decls: map[types.Object][]ast.Node{}, isTest: map[*token.File]bool{},
		}
		for _, file := range pkg.Syntax {
			place := pkg.Fset.File(file.Pos())
			s.isTest[place] = strings.HasSuffix(place.Name(), "_test.go")
			if s.isTest[place] {
				s.note(file)
			}
		}
		return s, nil
	}
	return nil, fmt.Errorf("%s has no tests of its own", dir)
}

// note notes the declarations of a file.
func (s *source) note(file *ast.File) {
	info := s.pkg.TypesInfo
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			owner := info.Defs[decl.Name]
			if decl.Recv != nil {
				receiver := info.TypeOf(decl.Recv.List[0].Type)
				if pointer, ok := receiver.(*types.Pointer); ok {
					receiver = pointer.Elem()
				}
				owner = receiver.(*types.Named).Obj()
			}
			s.decls[owner] = append(s.decls[owner], decl)
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					s.decls[info.Defs[spec.Name]] = append(s.decls[info.Defs[spec.Name]], decl)
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						s.decls[info.Defs[name]] = append(s.decls[info.Defs[name]], decl)
					}
				}
			}
		}
	}
}

// adapt notes what the adapters declare.
func (s *source) adapt(path string) error {
	s.adapted = map[string]bool{}
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Recv == nil {
				s.adapted[decl.Name.Name] = true
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					s.adapted[spec.Name.Name] = true
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						s.adapted[name.Name] = true
					}
				}
			}
		}
	}
	return nil
}

// readList reads pairs of texts, one a line; empty lines and those that begin with # are for the
// reader.
func readList(path, separator string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	list := map[string]string{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		first, second, ok := strings.Cut(line, separator)
		if !ok {
			return nil, fmt.Errorf("%s: %q has no second part", path, line)
		}
		list[first] = strings.TrimSpace(second)
	}
	return list, nil
}

// choose names the tests that are not taken, with the reasons, and returns the others with all that
// they need.
func (s *source) choose(reasons map[string]string) map[types.Object]bool {
	var tests []types.Object
	for object := range s.decls {
		if isTest(object) {
			tests = append(tests, object)
		}
	}
	sort.Slice(tests, func(i, j int) bool { return tests[i].Name() < tests[j].Name() })

	taken := map[types.Object]bool{}
	count := 0
	for _, test := range tests {
		needs := map[types.Object]bool{}
		internal := s.follow(test, needs)
		reason, skipped := reasons[test.Name()]
		delete(reasons, test.Name())
		switch {
		case internal != "":
			fmt.Printf("not portable: %s uses %s\n", test.Name(), internal)
			if skipped {
				log.Fatalf("%s is skipped for another reason", test.Name())
			}
		case skipped:
			fmt.Printf("left out: %s: %s\n", test.Name(), reason)
		default:
			count++
			for object := range needs {
				taken[object] = true
			}
		}
	}
	for name := range reasons {
		log.Fatalf("%s is skipped, and there is no such test", name)
	}
	fmt.Printf("taken: %d of %d\n", count, len(tests))
	return taken
}

func isTest(object types.Object) bool {
	f, ok := object.(*types.Func)
	return ok && f.Signature().Recv() == nil &&
		(strings.HasPrefix(f.Name(), "Test") || strings.HasPrefix(f.Name(), "Example"))
}

// follow adds what a declaration needs, itself among it, and returns an unexported name of the
// package that it uses, if any.
func (s *source) follow(object types.Object, needs map[types.Object]bool) (internal string) {
	if needs[object] {
		return ""
	}
	needs[object] = true
	var found []string
	for _, decl := range s.decls[object] {
		ast.Inspect(decl, func(n ast.Node) bool {
			if s.isRewritten(n) {
				return false
			}
			name, ok := n.(*ast.Ident)
			if !ok {
				return true
			}
			used := s.pkg.TypesInfo.Uses[name]
			if used == nil || used.Pkg() != s.pkg.Types {
				return true
			}
			inTest := s.isTest[s.pkg.Fset.File(used.Pos())]
			top := used.Parent() == s.pkg.Types.Scope()
			switch {
			case top && s.adapted[used.Name()]:
			case !inTest && !used.Exported():
				found = append(found, describe(used))
			case inTest && top:
				if deeper := s.follow(used, needs); deeper != "" {
					found = append(found, deeper)
				}
			}
			return true
		})
	}
	if len(found) == 0 {
		return ""
	}
	return slices.Min(found)
}

func (s *source) isRewritten(n ast.Node) bool {
	switch n.(type) {
	case *ast.SelectorExpr, *ast.CallExpr, *ast.ExprStmt:
		var text bytes.Buffer
		if err := format.Node(&text, s.pkg.Fset, n); err != nil {
			return false
		}
		_, ok := s.rewrites[text.String()]
		return ok
	}
	return false
}

func describe(object types.Object) string {
	switch object := object.(type) {
	case *types.Var:
		if object.IsField() {
			return "the field " + object.Name()
		}
	case *types.Func:
		if receiver := object.Signature().Recv(); receiver != nil {
			return "the method " + object.Name()
		}
	}
	return object.Name()
}

// write writes a file with what is taken.
func (s *source) write(taken map[types.Object]bool) ([]byte, error) {
	var objects []types.Object
	for object := range taken {
		objects = append(objects, object)
	}
	sort.Slice(objects, func(i, j int) bool { return objects[i].Pos() < objects[j].Pos() })

	imports := map[string]bool{}
	written := map[ast.Node]bool{}
	var body bytes.Buffer
	for _, object := range objects {
		for _, decl := range s.decls[object] {
			if written[decl] {
				continue
			}
			written[decl] = true
			if err := format.Node(&body, s.pkg.Fset, decl); err != nil {
				return nil, err
			}
			body.WriteString("\n\n")
			ast.Inspect(decl, func(n ast.Node) bool {
				if name, ok := n.(*ast.Ident); ok {
					if used, ok := s.pkg.TypesInfo.Uses[name].(*types.PkgName); ok {
						imports[fmt.Sprintf("%s %q", used.Name(), used.Imported().Path())] = true
					}
				}
				return true
			})
		}
	}
	code := body.String()
	for from, to := range s.rewrites {
		code = strings.ReplaceAll(code, from, to)
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "// Tests of %s. Taken out by portable.\n\npackage %s\n\n", s.pkg.PkgPath, s.pkg.Name)
	fmt.Fprintf(&text, "import (\n")
	var lines []string
	for line := range imports {
		lines = append(lines, line)
	}
	sort.Strings(lines)
	fmt.Fprintf(&text, "\t%s\n)\n\n%s", strings.Join(lines, "\n\t"), code)
	return format.Source(text.Bytes())
}
