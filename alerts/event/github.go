package event

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What GitHub sends, as far as it is used here (docs.github.com, "Webhook events
// and payloads").
type github struct {
	Action     string           `json:"action"`
	Ref        string           `json:"ref"` // of a push
	After      string           `json:"after"`
	Deleted    bool             `json:"deleted"`
	Compare    string           `json:"compare"`
	Deployment githubDeployment `json:"deployment"`
	Status     githubStatus     `json:"deployment_status"`
	Release    githubRelease    `json:"release"`
	Head       struct {
		Message string `json:"message"`
		URL     string `json:"url"`
	} `json:"head_commit"`
	Repository struct {
		FullName      string `json:"full_name"`
		HTMLURL       string `json:"html_url"`
		DefaultBranch string `json:"default_branch"`
	} `json:"repository"`
	Sender githubUser `json:"sender"`
	Pusher struct {
		Name string `json:"name"`
	} `json:"pusher"`
}

type githubUser struct {
	Login string `json:"login"`
}

type githubDeployment struct {
	ID          int64      `json:"id"`
	SHA         string     `json:"sha"`
	Ref         string     `json:"ref"`
	Task        string     `json:"task"`
	Environment string     `json:"environment"`
	Description string     `json:"description"`
	CreatedAt   string     `json:"created_at"`
	Creator     githubUser `json:"creator"`
}

type githubStatus struct {
	State       string `json:"state"`
	Description string `json:"description"`
	TargetURL   string `json:"target_url"`
	LogURL      string `json:"log_url"`
	CreatedAt   string `json:"created_at"`
}

type githubRelease struct {
	ID          int64      `json:"id"`
	TagName     string     `json:"tag_name"`
	Name        string     `json:"name"`
	HTMLURL     string     `json:"html_url"`
	Body        string     `json:"body"`
	Draft       bool       `json:"draft"`
	PublishedAt string     `json:"published_at"`
	Author      githubUser `json:"author"`
}

func decodeGitHub(h Hook, header http.Header, body []byte) (*Event, error) {
	var g github
	if err := unmarshal(body, &g); err != nil {
		return nil, err
	}
	switch header.Get("X-GitHub-Event") {
	case "deployment", "deployment_status":
		return g.deployment(), nil
	case "release":
		return g.release(), nil
	case "push":
		return g.push(h.Branches), nil
	}
	return nil, nil
}

// deployment is a deployment from its creation to the status that ends it. All
// deliveries about it have its key.
func (g *github) deployment() *Event {
	d, st := g.Deployment, g.Status
	if d.ID == 0 {
		return nil
	}
	what := d.Task
	if what == "" {
		what = "deploy"
	}
	e := &Event{
		Key: g.Repository.FullName + "/deployment/" + strconv.FormatInt(d.ID, 10),
		At:  foreignTime(d.CreatedAt), Revised: foreignTime(firstOf(st.CreatedAt, d.CreatedAt)),
		Title: joined(" ", what, g.Repository.FullName, shortRef(d.Ref)), Text: firstOf(st.Description, d.Description),
		Tags: []string{TagDeploy}, Who: firstOf(d.Creator.Login, g.Sender.Login),
		Link: firstOf(st.LogURL, st.TargetURL, g.Repository.HTMLURL), Labels: map[string]string{},
	}
	setLabel(e, "environment", d.Environment)
	setLabel(e, "revision", short(d.SHA))
	switch st.State {
	case "success", "failure", "error":
		e.End = e.Revised
		if e.End.Before(e.At) {
			e.End = time.Time{}
		}
		if st.State != "success" {
			e.Tags = append(e.Tags, TagFailed)
		}
	case "inactive": // another deployment has taken its place: that is its own event
		return nil
	}
	return e
}

func (g *github) release() *Event {
	r := g.Release
	if g.Action != "published" || r.Draft || r.ID == 0 {
		return nil
	}
	return &Event{
		Key: g.Repository.FullName + "/release/" + strconv.FormatInt(r.ID, 10), At: foreignTime(r.PublishedAt),
		Title: joined(" ", "release", g.Repository.FullName, firstOf(r.TagName, r.Name)), Text: r.Body,
		Tags: []string{"release"}, Who: firstOf(r.Author.Login, g.Sender.Login), Link: r.HTMLURL,
	}
}

// push is a push to a branch that is wanted, now: the time of its newest commit
// is only when that was written, which may be weeks ago.
func (g *github) push(branches []string) *Event {
	branch, ok := strings.CutPrefix(g.Ref, "refs/heads/")
	if !ok || g.Deleted || g.After == "" || !wantedBranch(branch, branches, g.Repository.DefaultBranch) {
		return nil
	}
	subject, _, _ := strings.Cut(g.Head.Message, "\n")
	return &Event{
		Key:   g.Repository.FullName + "/push/" + branch + "/" + g.After,
		Title: joined(" ", "push", g.Repository.FullName, branch, short(g.After)), Text: subject,
		Tags: []string{"push"}, Who: firstOf(g.Pusher.Name, g.Sender.Login), Link: firstOf(g.Compare, g.Head.URL),
	}
}

func wantedBranch(branch string, wanted []string, usual string) bool {
	if len(wanted) > 0 {
		return slices.Contains(wanted, branch)
	}
	return branch == usual
}

// shortRef is a branch or tag without its path, a commit without its tail.
func shortRef(ref string) string {
	for _, p := range []string{"refs/heads/", "refs/tags/"} {
		ref = strings.TrimPrefix(ref, p)
	}
	if len(ref) == 40 && strings.Trim(ref, "0123456789abcdef") == "" {
		return short(ref)
	}
	return ref
}

func short(sha string) string { return sha[:min(len(sha), 7)] }

func setLabel(e *Event, name, value string) {
	if value != "" {
		e.Labels[name] = shorten(value, maxLabel)
	}
}

// joined joins the texts that are not empty.
func joined(by string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), by)
}

// firstOf is the first text that is not empty.
func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
