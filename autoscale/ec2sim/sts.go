package ec2sim

import (
	"maps"
	"strings"
	"time"
)

// userARN is whoever calls with keys that AssumeRole did not give.
const userARN = "arn:aws:iam::" + owner + ":user/demo"

func stsActions() map[string]action {
	return map[string]action{
		"GetCallerIdentity": (*Sim).callerIdentity,
		"AssumeRole":        (*Sim).assumeRole,
	}
}

type identityResult struct {
	ARN     string `xml:"Arn"`
	User    string `xml:"UserId"`
	Account string `xml:"Account"`
}

func (s *Sim) callerIdentity(p params, _ time.Time) (any, *apiError) {
	if s.assumed(p.key) {
		return &identityResult{"arn:aws:sts::" + owner + ":assumed-role/demo/" + p.key, "AROADEMO:" + p.key, owner}, nil
	}
	return &identityResult{userARN, "AIDADEMO", owner}, nil
}

func (s *Sim) assumed(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.sessions[key]
	return ok
}

type roleResult struct {
	Key     string `xml:"Credentials>AccessKeyId"`
	Secret  string `xml:"Credentials>SecretAccessKey"`
	Token   string `xml:"Credentials>SessionToken"`
	Expires string `xml:"Credentials>Expiration"`
	ID      string `xml:"AssumedRoleUser>AssumedRoleId"`
	ARN     string `xml:"AssumedRoleUser>Arn"`
}

// maxSessions bounds how many keys AssumeRole gives.
const maxSessions = 10_000

// assumeRole gives keys that work until they expire.
func (s *Sim) assumeRole(p params, now time.Time) (any, *apiError) {
	role, name := p.get("RoleArn"), p.get("RoleSessionName")
	if !strings.HasPrefix(role, "arn:aws:iam::") || name == "" {
		return nil, invalid("RoleArn and RoleSessionName are wanted; %q is not a role.", role)
	}
	seconds, err := p.number("DurationSeconds", 3600, 900, 43200)
	if err != nil {
		return nil, invalid("%s", err.message)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sessions) >= maxSessions {
		maps.DeleteFunc(s.sessions, func(_ string, end time.Time) bool { return now.After(end) })
	}
	if len(s.sessions) >= maxSessions {
		return nil, apiErrorf("LimitExceeded", "There are %d sessions already.", maxSessions)
	}
	key := strings.ToUpper(newID("ASIA"))
	expires := now.Add(time.Duration(seconds) * time.Second)
	s.sessions[key] = expires
	return &roleResult{key, newID("secret"), newID("token"), timestamp(expires), "AROADEMO:" + name, strings.Replace(role, ":iam:", ":sts:", 1) + "/" + name}, nil
}

// session refuses the keys of a session that is over.
func (s *Sim) session(r request, now time.Time) *apiError {
	s.mu.Lock()
	defer s.mu.Unlock()
	end, ok := s.sessions[r.params.key]
	switch {
	case !ok || now.Before(end):
		return nil
	case r.service.name == "ec2":
		return apiErrorf("RequestExpired", "Request has expired.")
	}
	return apiErrorf("ExpiredToken", "The security token included in the request is expired")
}
