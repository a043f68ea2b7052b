# growth.awk - does something grow? Input: a head line "seconds NAME...", then samples. The slope over the second half (the
# first is the warm-up) is the median of the slopes between all pairs of samples, so one outlier does not make it. What
# grew is that slope times the length of the half. Bounds: see `bound`. -v need=N: fewer samples in that half give no verdict.
# -v processes=one: what is measured of a process is of one and the same; else that has no verdict.
# Last line: "N passed, N failed" (one for each column).

# What may come and go by itself: pages of the allocator, blocks of directories, a descriptor that is just being used.
function bound(name, middle) {
	if (name ~ /_kib$/) return middle * 0.05 > 256 ? middle * 0.05 : 256
	if (name == "inodes") return middle * 0.05 > 12 ? middle * 0.05 : 12
	if (name == "threads") return 0.9
	return 1.9
}

# a[1..n] in place, by insertion into halves: there are some thousands.
function sort(a, n,    gap, i, j, t) {
	for (gap = int(n / 2); gap > 0; gap = int(gap / 2))
		for (i = gap + 1; i <= n; i++) {
			t = a[i]
			for (j = i; j > gap && a[j - gap] > t; j -= gap) a[j] = a[j - gap]
			a[j] = t
		}
}

function median(a, n) {
	sort(a, n)
	return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
}

NR == 1 { for (c = 2; c <= NF; c++) name[c] = $c; columns = NF; next }
{ rows++; for (c = 1; c <= columns; c++) v[rows, c] = $c + 0 }

END {
	if (!need) need = 8
	first = int(rows / 2) + 1
	half = rows - first + 1
	printf "  %-12s %9s %9s %9s %9s %9s %12s %9s %8s\n", "", "first", "half", "last", "least", "most", "slope/hour", "growth", "bound"
	for (c = 2; c <= columns; c++) {
		least = most = v[1, c]
		for (r = 1; r <= rows; r++) { if (v[r, c] < least) least = v[r, c]; if (v[r, c] > most) most = v[r, c] }
		n = 0; m = 0
		delete slopes; delete values
		for (r = first; r <= rows; r++) {
			values[++m] = v[r, c]
			for (q = r + 1; q <= rows; q++) if (v[q, 1] > v[r, 1]) slopes[++n] = (v[q, c] - v[r, c]) / (v[q, 1] - v[r, 1])
		}
		slope = n ? median(slopes, n) : 0
		growth = slope * (v[rows, 1] - v[first, 1])
		limit = bound(name[c], m ? median(values, m) : 0)
		own = name[c] !~ /^(hub_kib|inodes)$/
		verdict = own && processes != "one" ? "(each of another process)" : half < need ? "(too few samples for a verdict)" : growth > limit ? "GROWS" : "ok"
		printf "  %-12s %9d %9d %9d %9d %9d %12.1f %9.1f %8.1f  %s\n", name[c], v[1, c], v[first, c], v[rows, c], least, most, slope * 3600, growth, limit, verdict
		if (verdict == "ok") passed++
		if (verdict == "GROWS") failed++
	}
	printf "%d passed, %d failed\n", passed, failed
	exit failed > 0
}
