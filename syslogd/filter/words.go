package filter

import "slices"

// Words returns the lower-case tokens (see Tokens) that the text of every
// matching message holds, sorted. An index of tokens can leave out whatever
// lacks one of them; no token means that the index cannot help.
func Words(f *Filter) []string {
	if f == nil || f.Root == nil {
		return nil
	}
	return must(f.Root)
}

func must(e Expr) []string {
	switch e := e.(type) {
	case And:
		var all []string
		for _, t := range e.Terms {
			all = append(all, must(t)...)
		}
		slices.Sort(all)
		return slices.Compact(all)
	case Or:
		common := must(e.Terms[0])
		for _, t := range e.Terms[1:] {
			other := must(t)
			common = slices.DeleteFunc(common, func(w string) bool { return !slices.Contains(other, w) })
		}
		return common
	case Word:
		return whole(e.Text, true, !e.Prefix)
	case Phrase:
		return whole(e.Text, false, false)
	}
	return nil
}

// whole returns the tokens of s. One that touches an end of s is left out
// unless a word is known to end there.
func whole(s string, startIsWhole, endIsWhole bool) []string {
	var tokens []string
	for t := range Tokens(s) {
		tokens = append(tokens, t)
	}
	if len(tokens) > 0 && !endIsWhole && isTokenByte(s[len(s)-1]) {
		tokens = tokens[:len(tokens)-1]
	}
	if len(tokens) > 0 && !startIsWhole && isTokenByte(s[0]) {
		tokens = tokens[1:]
	}
	slices.Sort(tokens)
	return slices.Compact(tokens)
}
