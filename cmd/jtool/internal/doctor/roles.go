package doctor

import "github.com/manypen/manypen/cmd/jtool/internal/child"

// Roles are what the processes of the experiments do.
func Roles() map[string]child.Role {
	return map[string]child.Role{
		"interleave": roleInterleave,
		"victim":     roleVictim,
		"survivor":   roleSurvivor,
		"follow":     roleFollow,
		"short":      roleShort,
		"input":      roleInput,
		"shared":     roleShared,
		"lock":       roleLock,
	}
}
