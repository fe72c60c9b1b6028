package ec2sim

import (
	"fmt"
	"time"
)

// An activity is what a group did, or tried to do, and why.
type activity struct {
	id, group   string
	description string
	cause       string
	zone        string
	code        string // of its status
	message     string // of a failure
	progress    int    // percent
	start, end  time.Time
}

// maxActivities bounds what a group keeps; Auto Scaling keeps six weeks.
const maxActivities = 500

// begin writes an activity that is under way.
func (g *group) begin(description, cause, zone string, now time.Time) *activity {
	a := &activity{
		id: newRequestID(), group: g.Name, description: description, cause: cause, zone: zone, code: "InProgress", start: now,
	}
	if len(g.activities) >= maxActivities {
		g.activities = append(g.activities[:0], g.activities[1:]...)
	}
	g.activities = append(g.activities, a)
	return a
}

// finish ends an activity; one that has ended stays as it is.
func (a *activity) finish(code, message string, now time.Time) {
	if !a.end.IsZero() {
		return
	}
	a.code, a.message, a.end, a.progress = code, message, now, 100
	if code == "Failed" {
		a.description += ".  Status Reason: " + message
	}
}

func (g *group) lastActivity() *activity {
	if len(g.activities) == 0 {
		return nil
	}
	return g.activities[len(g.activities)-1]
}

// instant is how causes write times.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

type activityItem struct {
	ID          string `xml:"ActivityId"`
	Group       string `xml:"AutoScalingGroupName"`
	Description string `xml:"Description"`
	Cause       string `xml:"Cause"`
	Start       string `xml:"StartTime"`
	End         string `xml:"EndTime,omitempty"`
	Code        string `xml:"StatusCode"`
	Message     string `xml:"StatusMessage,omitempty"`
	Progress    int    `xml:"Progress"`
	Details     string `xml:"Details"`
}

func activityItemOf(a *activity) activityItem {
	out := activityItem{
		ID: a.id, Group: a.group, Description: a.description, Cause: a.cause, Start: timestamp(a.start), Code: a.code,
		Message: a.message, Progress: a.progress, Details: fmt.Sprintf("{%q:%q}", "Availability Zone", a.zone),
	}
	if !a.end.IsZero() {
		out.End = timestamp(a.end)
	}
	return out
}

type activitiesResult struct {
	Items     []activityItem `xml:"Activities>member"`
	NextToken string         `xml:"NextToken,omitempty"`
}

type activityResult struct {
	Activity activityItem `xml:"Activity"`
}

// describeActivities lists what groups did, the newest first.
func (s *Sim) describeActivities(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	groups := s.groups
	if p.get("AutoScalingGroupName") != "" {
		g, err := s.groupOf(p)
		if err != nil {
			return nil, err
		}
		groups = []*group{g}
	}
	var all []activityItem
	ids := p.members("ActivityIds")
	for _, g := range groups {
		for n := len(g.activities) - 1; n >= 0; n-- {
			if a := g.activities[n]; len(ids) == 0 || contains(ids, a.id) {
				all = append(all, activityItemOf(a))
			}
		}
	}
	items, next, err := page(p, all)
	return &activitiesResult{items, next}, err
}
