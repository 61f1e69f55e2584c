//go:build ignore

// Prints the documentation of a Go package as one page of Markdown: what is exported, with its
// comments as go/doc reads them.
//
//	go run docs/tools/godoc.go bindings/go libraft.dev/go/raft
//
// It needs neither the package's dependencies nor a build of it.
package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/doc/comment"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

type page struct {
	out  bytes.Buffer
	fset *token.FileSet
	pkg  *doc.Package
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: go run godoc.go DIRECTORY IMPORT-PATH")
		os.Exit(2)
	}
	fset := token.NewFileSet()
	pkg, err := load(fset, os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	p := &page{fset: fset, pkg: pkg}
	p.write()
	os.Stdout.Write(p.out.Bytes())
}

func load(fset *token.FileSet, dir, path string) (*doc.Package, error) {
	context := build.Default
	context.CgoEnabled = true
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var files []*ast.File
	for _, name := range names {
		matches, err := context.MatchFile(dir, filepath.Base(name))
		if err != nil {
			return nil, err
		}
		if !matches {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return doc.NewFromFiles(fset, files, path)
}

func (p *page) write() {
	fmt.Fprintf(&p.out, "# Go reference\n\n`import %q`\n\n", p.pkg.ImportPath)
	p.text(p.pkg.Doc)
	p.values("Constants", p.pkg.Consts)
	p.values("Variables", p.pkg.Vars)
	if len(p.pkg.Funcs) > 0 {
		p.out.WriteString("## Functions\n\n")
		p.functions(p.pkg.Funcs)
	}
	for _, t := range p.pkg.Types {
		fmt.Fprintf(&p.out, "## type %s {#%s}\n\n", t.Name, t.Name)
		p.code(t.Decl)
		p.text(t.Doc)
		for _, group := range [][]*doc.Value{t.Consts, t.Vars} {
			for _, v := range group {
				p.code(v.Decl)
				p.text(v.Doc)
			}
		}
		p.functions(t.Funcs)
		p.functions(t.Methods)
	}
}

func (p *page) values(title string, list []*doc.Value) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(&p.out, "## %s\n\n", title)
	for _, v := range list {
		p.code(v.Decl)
		p.text(v.Doc)
	}
}

func (p *page) functions(list []*doc.Func) {
	for _, f := range list {
		name, anchor := f.Name, f.Name
		if f.Recv != "" {
			receiver := strings.TrimPrefix(f.Recv, "*")
			name, anchor = receiver+"."+f.Name, receiver+"."+f.Name
		}
		fmt.Fprintf(&p.out, "### %s {#%s}\n\n", name, anchor)
		p.code(f.Decl)
		p.text(f.Doc)
	}
}

// anchor is where a link leads: for a field or a method of an interface, to its type.
func (p *page) anchor(link *comment.DocLink) string {
	if link.Recv == "" {
		return link.Name
	}
	for _, t := range p.pkg.Types {
		for _, method := range t.Methods {
			if t.Name == link.Recv && method.Name == link.Name {
				return link.Recv + "." + link.Name
			}
		}
	}
	return link.Recv
}

// code prints a declaration as gofmt would.
func (p *page) code(decl ast.Decl) {
	if f, ok := decl.(*ast.FuncDecl); ok {
		f.Body = nil
	}
	var source bytes.Buffer
	if err := format.Node(&source, p.fset, decl); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Fprintf(&p.out, "```go\n%s\n```\n\n", source.String())
}

var heading = regexp.MustCompile(`(?m)^#+ (.*?)(?: \{#.*\})?$`)

// text prints a comment. Its headings are below those of the page.
func (p *page) text(text string) {
	parser := p.pkg.Parser()
	printer := &comment.Printer{
		HeadingLevel: 3,
		HeadingID:    func(*comment.Heading) string { return "" },
		DocLinkURL: func(link *comment.DocLink) string {
			if link.ImportPath != "" {
				return "https://pkg.go.dev/" + link.ImportPath
			}
			return "#" + p.anchor(link)
		},
	}
	markdown := string(printer.Markdown(parser.Parse(text)))
	p.out.WriteString(heading.ReplaceAllString(markdown, "**$1**"))
	p.out.WriteString("\n")
}
