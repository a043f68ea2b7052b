/* fs.c - the provider that keeps plain files: opening, closing, the table. */
#include "fs.h"
#include "base/parts.h"
#include <stdlib.h>

static void options_defaults(struct pawl_provider_options *o)
{
	if (!o->journal_bytes)
		o->journal_bytes = SEGMENT_BYTES_DEFAULT;
	if (o->journal_bytes < SEGMENT_BYTES_MIN)
		o->journal_bytes = SEGMENT_BYTES_MIN;
	if (!o->journal_segments)
		o->journal_segments = SEGMENTS_DEFAULT;
	if (o->journal_segments < 2)
		o->journal_segments = 2;
	if (o->journal_segments > SEGMENTS_MAX / 2)
		o->journal_segments = SEGMENTS_MAX / 2;
	if (!o->watches_max)
		o->watches_max = WATCHES_DEFAULT;
	if (!o->rejected_max)
		o->rejected_max = REJECTED_DEFAULT;
	if (!o->rejected_bytes_max)
		o->rejected_bytes_max = REJECTED_BYTES_DEFAULT;
	if (!o->message_bytes_max)
		o->message_bytes_max = MESSAGE_BYTES_DEFAULT;
}

void fs_free(struct fs *fs)
{
	if (fs->hub >= 0)
		fs->os->close(fs->os->self, fs->hub);
	rundir_release(fs);
	free(fs->path);
	free(fs->root);
	free(fs);
}

struct fs *fs_new(const struct pawl_provider_options *options)
{
	struct fs *fs = calloc(1, sizeof(*fs));

	if (!fs)
		return NULL;
	fs->provider.ops = &pawl_provider_fs;
	fs->options = *options;
	options_defaults(&fs->options);
	fs->os = options->os ? options->os : os_linux();
	fs->hub = fs->lock_fd = fs->run = -1;
	fs->path = strdup(options->hub);
	fs->journal = (struct journal){ .os = fs->os, .segment_bytes = (fs->options.journal_bytes + 4095) & ~(uint64_t)4095,
		.segment_count = fs->options.journal_segments, .pad = fs->options.pad_frames, .next_lsn = 1 };
	map_init(&fs->files);
	map_init(&fs->overlay.instances);
	if (fs->path)
		return fs;
	fs_free(fs);
	return NULL;
}

static int fs_open(const struct pawl_provider_options *options, struct pawl_provider **out, struct pawl_error *err)
{
	struct fs *fs = fs_new(options);
	int rc = fs ? hub_open(fs, err) : err_nomem(err);

	if (!fs)
		return rc;
	if (rc < 0) {
		fs_free(fs);
		return rc;
	}
	*out = &fs->provider;
	return 0;
}

/* A clean stop leaves nothing to recover; when the disk does not let us, recovery does it. */
static void fs_close(struct pawl_provider *p)
{
	struct fs *fs = fs_of(p);
	struct pawl_error err = { 0 };

	if (fs->owner && !fs->fenced && fs_checkpoint_now(fs, &err) < 0)
		log_warning("at the stop of '%s': %s (the next start recovers)", fs->path, err.text);
	queue_close(fs);
	mailbox_close(fs);
	histories_release(fs);
	if (fs->overlay_ns)
		overlay_release(&fs->overlay);
	map_release(&fs->overlay.instances);
	journal_close(&fs->journal);
	hub_unlock(fs, true);
	fs_free(fs);
}

static void fs_stats(struct pawl_provider *p, struct pawl_provider_stats *out)
{
	struct fs *fs = fs_of(p);

	*out = fs->stats;
	out->frames = fs->journal.next_lsn - 1;
	out->journal_free_segments = journal_free_count(&fs->journal);
}

const struct pawl_provider_ops pawl_provider_fs = {
	.name = "fs",
	.open = fs_open,
	.close = fs_close,
	.acquire = fs_acquire,
	.scan = fs_scan,
	.read = fs_read,
	.read_spill = fs_read_spill,
	.commit_begin = fs_commit_begin,
	.maintain = fs_maintain,
	.send = fs_send,
	.poll_fd = fs_poll_fd,
	.receive = fs_receive,
	.ack = fs_ack,
	.reject = fs_reject,
	.attend = fs_attend,
	.archive = fs_archive,
	.revive = fs_revive,
	.purge = fs_purge,
	.purge_all = fs_purge_all,
	.prune = fs_prune,
	.measure = fs_measure,
	.quarantine = fs_quarantine,
	.note = fs_note,
	.read_note = fs_read_note,
	.work_dir = fs_work_dir,
	.work_dir_lasting = fs_work_dir_lasting,
	.offer = fs_offer,
	.release = fs_release,
	.cancel_work = fs_cancel_work,
	.each_work = fs_each_work,
	.work_changed = fs_work_changed,
	.claim = fs_claim,
	.renew = fs_renew,
	.finish = fs_finish,
	.give_back = fs_give_back,
	.await_work = fs_await_work,
	.bury = fs_bury,
	.each_dead = fs_each_dead,
	.unbury = fs_unbury,
	.has_owner = hub_has_owner,
	.stats = fs_stats,
	IF_PART(TOOLS, .import = fs_import,)
};
