package stage

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// regexFinder finds the groups of a regular expression, or all that it matches
// where it has none, or none of them took part. A text that every match holds
// is looked for first, since that is many times faster.
func regexFinder(expr string) (finder, error) {
	if expr == "" {
		return finder{}, errors.New("there is no expression")
	}
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return finder{}, fmt.Errorf("%q: %w", expr, err)
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return finder{}, fmt.Errorf("%q: %w", expr, err)
	}
	if re.MatchString("") {
		return finder{}, fmt.Errorf("%q matches the empty text, and so everywhere", expr)
	}
	literal := required(tree)
	return finder{far: true, find: func(dst []span, s string) []span {
		if !strings.Contains(s, literal) {
			return dst
		}
		for _, m := range re.FindAllStringSubmatchIndex(s, -1) {
			dst = appendGroups(dst, m)
		}
		return dst
	}}, nil
}

func appendGroups(dst []span, m []int) []span {
	n := len(dst)
	for i := 2; i < len(m); i += 2 {
		if m[i] >= 0 && m[i+1] > m[i] {
			dst = append(dst, span{m[i], m[i+1]})
		}
	}
	if len(dst) == n && m[1] > m[0] {
		dst = append(dst, span{m[0], m[1]})
	}
	return dst
}

// required is the longest text known to stand in every match, heeding case.
func required(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			return string(re.Rune)
		}
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0])
		}
	case syntax.OpConcat:
		longest := ""
		for _, sub := range re.Sub {
			if s := required(sub); len(s) > len(longest) {
				longest = s
			}
		}
		return longest
	default:
	}
	return ""
}
