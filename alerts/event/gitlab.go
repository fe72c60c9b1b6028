package event

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// What GitLab sends, as far as it is used here (docs.gitlab.com, "Webhook
// events").
type gitlab struct {
	Kind    string `json:"object_kind"`
	Action  string `json:"action"` // of a release
	Project struct {
		Path          string `json:"path_with_namespace"`
		WebURL        string `json:"web_url"`
		DefaultBranch string `json:"default_branch"`
	} `json:"project"`
	User struct {
		Name     string `json:"name"`
		Username string `json:"username"`
	} `json:"user"`

	// Of a deployment.
	Status        string `json:"status"`
	ChangedAt     string `json:"status_changed_at"`
	DeploymentID  int64  `json:"deployment_id"`
	DeployableURL string `json:"deployable_url"`
	Environment   string `json:"environment"`
	ShortSHA      string `json:"short_sha"`
	CommitTitle   string `json:"commit_title"`

	// Of a push, and its ref of a deployment too.
	Ref          string `json:"ref"`
	After        string `json:"after"`
	CheckoutSHA  string `json:"checkout_sha"`
	UserUsername string `json:"user_username"`
	UserName     string `json:"user_name"`
	Commits      []struct {
		Title string `json:"title"`
		URL   string `json:"url"`
	} `json:"commits"`

	// Of a release.
	ID          int64  `json:"id"`
	Tag         string `json:"tag"`
	Name        string `json:"name"`
	Description string `json:"description"`
	ReleasedAt  string `json:"released_at"`
	URL         string `json:"url"`
}

func decodeGitLab(h Hook, _ http.Header, body []byte) (*Event, error) {
	var g gitlab
	if err := unmarshal(body, &g); err != nil {
		return nil, err
	}
	switch g.Kind {
	case "deployment":
		return g.deployment(), nil
	case "release":
		return g.release(), nil
	case "push", "tag_push":
		return g.push(h.Branches), nil
	}
	return nil, nil
}

// deployment is a deployment by its number. Its first delivery says when it
// began (status running), the last one when it ended; only what each of them
// knows is told, so that their order does not matter.
func (g *gitlab) deployment() *Event {
	if g.DeploymentID == 0 && g.DeployableURL == "" {
		return nil
	}
	id := strconv.FormatInt(g.DeploymentID, 10)
	if g.DeploymentID == 0 { // before GitLab 15.3
		id = g.DeployableURL
	}
	changed := foreignTime(g.ChangedAt)
	e := &Event{
		Key: g.Project.Path + "/deployment/" + id, Revised: changed,
		Title: joined(" ", "deploy", g.Project.Path, shortRef(g.Ref)), Text: g.CommitTitle,
		Tags: []string{TagDeploy}, Who: firstOf(g.User.Username, g.User.Name), Link: firstOf(g.DeployableURL, g.Project.WebURL), Labels: map[string]string{},
	}
	setLabel(e, "environment", g.Environment)
	setLabel(e, "revision", short(g.ShortSHA))
	switch g.Status {
	case "created", "running", "blocked":
		e.At = changed
	case "success", "failed", "canceled":
		e.End = changed
		if g.Status != "success" {
			e.Tags = append(e.Tags, TagFailed)
		}
	default:
		return nil
	}
	return e
}

func (g *gitlab) release() *Event {
	if g.Action != "create" || g.Tag == "" {
		return nil
	}
	return &Event{
		Key: g.Project.Path + "/release/" + g.Tag, At: foreignTime(g.ReleasedAt),
		Title: joined(" ", "release", g.Project.Path, g.Tag), Text: g.Description, Tags: []string{"release"}, Link: g.URL,
	}
}

// push is a push to a branch that is wanted, or of any tag.
func (g *gitlab) push(branches []string) *Event {
	branch, isBranch := strings.CutPrefix(g.Ref, "refs/heads/")
	tag, isTag := strings.CutPrefix(g.Ref, "refs/tags/")
	if g.CheckoutSHA == "" || !isTag && !(isBranch && wantedBranch(branch, branches, g.Project.DefaultBranch)) { // no checkout: it was deleted
		return nil
	}
	if isTag {
		branch = tag
	}
	e := &Event{
		Key:   g.Project.Path + "/push/" + g.Ref + "/" + g.CheckoutSHA,
		Title: joined(" ", "push", g.Project.Path, branch, short(g.CheckoutSHA)),
		Tags:  []string{"push"}, Who: firstOf(g.UserUsername, g.UserName), Link: g.Project.WebURL,
	}
	if n := len(g.Commits); n > 0 {
		e.Text, e.Link = g.Commits[n-1].Title, firstOf(g.Commits[n-1].URL, e.Link)
	}
	return e
}

// foreignTime reads the times that senders write; none where it says nothing:
// then the event is now.
func foreignTime(s string) time.Time {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 MST"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
