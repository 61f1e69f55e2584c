// Whether a program can change its import line: what go.etcd.io/raft exports, libraft.dev/go/raft
// exports as well, with the same types. What ours has beyond is not looked at.

package dropin

import (
	"fmt"
	"go/constant"
	"go/token"
	"go/types"
	"reflect"
	"regexp"
	"testing"

	theirs "go.etcd.io/raft/v3"
	"golang.org/x/tools/go/packages"
	ours "libraft.dev/go/raft"
)

// What a program has written for the one serves the other.
var (
	_ theirs.Storage = ours.Storage(nil)
	_ ours.Storage   = theirs.Storage(nil)
	_ theirs.Logger  = ours.Logger(nil)
	_ ours.Logger    = theirs.Logger(nil)
)

const (
	theirPath = "go.etcd.io/raft/v3"
	ourPath   = "libraft.dev/go/raft"
)

var anyType = regexp.MustCompile(`\bany\b`)

// exported loads both packages.
func exported(t *testing.T, tags string) (theirs, ours *types.Package) {
	loaded, err := packages.Load(&packages.Config{
		Mode:       packages.NeedName | packages.NeedTypes,
		BuildFlags: []string{"-tags", tags},
	}, theirPath, ourPath)
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range loaded {
		for _, err := range pkg.Errors {
			t.Fatal(err)
		}
		switch pkg.PkgPath {
		case theirPath:
			theirs = pkg.Types
		case ourPath:
			ours = pkg.Types
		}
	}
	return theirs, ours
}

// compare says what of theirs is not the same in ours.
func compare(theirs, ours *types.Package) (differences []string, compared int) {
	// The names of types are written without the root package, and with every other one.
	text := func(t types.Type) string {
		written := types.TypeString(t, func(pkg *types.Package) string {
			if pkg == theirs || pkg == ours {
				return ""
			}
			return pkg.Path()
		})
		// Two ways to write the same.
		return anyType.ReplaceAllString(written, "interface{}")
	}
	differ := func(format string, v ...any) {
		differences = append(differences, fmt.Sprintf(format, v...))
	}
	same := func(what string, a, b types.Type) {
		compared++
		if text(a) != text(b) {
			differ("%s is %s, and %s there", what, text(b), text(a))
		}
	}
	structs := func(name string, a, b *types.Struct) {
		place := 0
		for i := range a.NumFields() {
			field := a.Field(i)
			if !field.Exported() {
				continue
			}
			found := place
			for found < b.NumFields() && b.Field(found).Name() != field.Name() {
				found++
			}
			if found == b.NumFields() {
				differ("%s.%s is missing, or not in its place", name, field.Name())
				continue
			}
			place = found
			what := fmt.Sprintf("%s.%s", name, field.Name())
			same(what, field.Type(), b.Field(place).Type())
			if field.Embedded() != b.Field(place).Embedded() || a.Tag(i) != b.Tag(place) {
				differ("%s is embedded or tagged in another way", what)
			}
		}
	}
	methods := func(name string, a, b types.Type) {
		// Those of the pointer have those of the value among them.
		for _, wrap := range []func(types.Type) types.Type{
			func(t types.Type) types.Type { return t },
			func(t types.Type) types.Type { return types.NewPointer(t) },
		} {
			has := types.NewMethodSet(wrap(b))
			wants := types.NewMethodSet(wrap(a))
			for i := range wants.Len() {
				method := wants.At(i).Obj()
				if !method.Exported() {
					continue
				}
				found := has.Lookup(ours, method.Name())
				if found == nil {
					differ("%s.%s is missing", name, method.Name())
					continue
				}
				same(fmt.Sprintf("%s.%s", name, method.Name()), method.Type(), found.Obj().Type())
			}
		}
	}
	for _, name := range theirs.Scope().Names() {
		their := theirs.Scope().Lookup(name)
		if !their.Exported() {
			continue
		}
		our := ours.Scope().Lookup(name)
		if our == nil || reflect.TypeOf(our) != reflect.TypeOf(their) {
			differ("%s is missing, or something else", name)
			continue
		}
		kind, ok := their.(*types.TypeName)
		if !ok {
			same(name, their.Type(), our.Type())
			if value, ok := their.(*types.Const); ok &&
				!constant.Compare(value.Val(), token.EQL, our.(*types.Const).Val()) {
				differ("%s has another value", name)
			}
			continue
		}
		a, b := kind.Type().Underlying(), our.Type().Underlying()
		methods(name, kind.Type(), our.Type())
		switch a := a.(type) {
		case *types.Struct:
			if b, ok := b.(*types.Struct); ok {
				structs(name, a, b)
				continue
			}
			differ("%s is no struct", name)
		case *types.Interface:
			// A program's own implementation must do, so that there must be no more either.
			b, ok := b.(*types.Interface)
			if !ok || a.NumMethods() != b.NumMethods() {
				differ("%s is another interface", name)
			}
		default:
			same(name, a, b)
		}
	}
	return differences, compared
}

func TestWhatUpstreamExportsWeExportWithTheSameTypes(t *testing.T) {
	for _, tags := range []string{"", "with_tla"} {
		t.Run("tags="+tags, func(t *testing.T) {
			theirs, ours := exported(t, tags)
			differences, compared := compare(theirs, ours)
			for _, difference := range differences {
				t.Error(difference)
			}
			if compared < 200 {
				t.Errorf("only %d types were compared", compared)
			}
		})
	}
}

// The comparison itself: we export more than they do, so that the other way round something is
// missing of every kind.
func TestTheComparisonSeesWhatIsMissing(t *testing.T) {
	theirs, ours := exported(t, "")
	differences, _ := compare(ours, theirs)
	seen := map[string]bool{}
	for _, difference := range differences {
		seen[difference] = true
	}
	for _, want := range []string{
		"ErrClosed is missing, or something else",
		"RawNode.Close is missing",
		"Config.Seed is missing, or not in its place",
	} {
		if !seen[want] {
			t.Errorf("%q is not seen among %q", want, differences)
		}
	}
}

// Of upstream, our package uses the subpackages alone, so that it can stand in for the root.
func TestTheRootOfUpstreamIsNotImported(t *testing.T) {
	loaded, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedImports | packages.NeedDeps,
	}, ourPath)
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	packages.Visit(loaded, func(pkg *packages.Package) bool {
		used[pkg.PkgPath] = true
		return true
	}, nil)
	if used[theirPath] {
		t.Error("the root package is imported")
	}
	if !used[theirPath+"/raftpb"] {
		t.Error("not even raftpb is imported: nothing was looked at")
	}
}
