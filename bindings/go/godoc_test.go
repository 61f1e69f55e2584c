package raft

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// Everything that another package can name has a comment: functions, types, their methods and fields,
// constants and variables. One above a declaration of several constants or variables will do for all of
// them, one above the first of a few methods with like names for these, and one of a type for the fields
// that it mentions.
func TestEverythingExportedHasAComment(t *testing.T) {
	files := token.NewFileSet()
	//lint:ignore SA1019 the files of all platforms and tags are meant, whichever the build takes.
	packages, err := parser.ParseDir(files, ".", func(file fs.FileInfo) bool {
		return !strings.HasSuffix(file.Name(), "_test.go")
	}, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range packages["raft"].Files {
		for _, name := range undocumented(file, &seen) {
			if strings.HasPrefix(files.Position(name.Pos()).Filename, "trace_on.go") {
				// What programs that mention tracing compile with; no value of these types is ever made.
				continue
			}
			t.Errorf("%s has no comment: %s", files.Position(name.Pos()), name.Name)
		}
	}
	if seen < 300 {
		t.Errorf("only %d names were looked at", seen)
	}
}

func TestAMissingCommentIsNoticed(t *testing.T) {
	const source = `package p
type (
	// Good has one, and says what F is.
	Good struct {
		// A and B have one.
		A, B int
		C, D int // as these have
		E, F int
	}
	Bad struct{}
)
func (g *Good) Method()     {}
func (g hidden) Method()    {}
func (g *Generic[T]) Call() {}
func Function()             {}
func unexported()           {}
// One for all.
const (
	One   = 1
	Two   = 2
)
var Three = 3
// I has one.
type I interface {
	// Do has one.
	Do()
	Undo()
	undo()
	// Log and Logf have one.
	Log()
	Logf()
	error
}
`
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", source, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	seen := 0
	for _, name := range undocumented(file, &seen) {
		found = append(found, name.Name)
	}
	if got := strings.Join(found, " "); got != "E Bad Method Call Function Three Undo" || seen != 19 {
		t.Errorf("found %s, of %d", got, seen)
	}
}

// undocumented are the exported names of a file that nothing is said of; seen counts all of them.
func undocumented(file *ast.File, seen *int) (missing []*ast.Ident) {
	look := func(name *ast.Ident, comments ...*ast.CommentGroup) {
		if !name.IsExported() {
			return
		}
		*seen++
		for _, comment := range comments {
			if strings.TrimSpace(comment.Text()) != "" {
				return
			}
		}
		missing = append(missing, name)
	}
	fields := func(list *ast.FieldList, above *ast.CommentGroup) {
		mentioned := strings.FieldsFunc(above.Text(), func(r rune) bool { return !unicode.IsLetter(r) })
		said := map[string]*ast.CommentGroup{}
		for _, field := range list.List {
			for _, name := range field.Names {
				comment := field.Doc
				if comment == nil {
					// Debugf stands below Debug.
					comment = said[strings.TrimSuffix(name.Name, "f")]
				}
				said[name.Name] = comment
				if slices.Contains(mentioned, name.Name) {
					comment = above
				}
				look(name, comment, field.Comment)
			}
		}
	}
	for _, declaration := range file.Decls {
		switch declaration := declaration.(type) {
		case *ast.FuncDecl:
			if receiverIsExported(declaration) {
				look(declaration.Name, declaration.Doc)
			}
		case *ast.GenDecl:
			for _, spec := range declaration.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					above := spec.Doc
					if !declaration.Lparen.IsValid() {
						above = declaration.Doc
					}
					look(spec.Name, above)
					if !spec.Name.IsExported() {
						continue
					}
					switch kind := spec.Type.(type) {
					case *ast.StructType:
						fields(kind.Fields, above)
					case *ast.InterfaceType:
						fields(kind.Methods, above)
					}
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						look(name, spec.Doc, spec.Comment, declaration.Doc)
					}
				}
			}
		}
	}
	return missing
}

// receiverIsExported says whether a function has no receiver, or one whose type others can name.
func receiverIsExported(function *ast.FuncDecl) bool {
	if function.Recv == nil {
		return true
	}
	kind := function.Recv.List[0].Type
	for {
		switch inner := kind.(type) {
		case *ast.StarExpr:
			kind = inner.X
		case *ast.IndexExpr:
			kind = inner.X
		case *ast.IndexListExpr:
			kind = inner.X
		case *ast.Ident:
			return inner.IsExported()
		default:
			return true
		}
	}
}
