#include "schema/embedded.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/text.h"
#include "schema/embedded_internal.h"
#include "schema/pg.h"

#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONNECTIONS_DEFAULT 100
#define START_WAIT_MS 600000 /* crash recovery replays up to max_wal_size */
#define READY_STEP_MS 10
#define SOCKET_PATH_MAX 107 /* sun_path, with its NUL */
#define SOCKET_NAME "/.s.PGSQL.5432"
#define LOG_BYTES_MAX (8 << 20)
#define USER_BUFFER_BYTES 16384

struct embedded {
    struct embedded_place place;
    struct embedded_keeper keeper;
    char socket_dir[SOCKET_PATH_MAX];
    char *conninfo;
    int lock_fd;
    int max_connections;
    bool throw_away;
};

static int join(char path[EMBEDDED_PATH_MAX], const char *folder, const char *name, struct err *err)
{
    int used = snprintf(path, EMBEDDED_PATH_MAX, "%s/%s", folder, name);
    return used > 0 && used < EMBEDDED_PATH_MAX ? 0 : err_set(err, ERR_INVALID, "%.200s: the path is too long", folder);
}

/* ---- who and where ---- */

/* As root the server runs as whoever owns its data; before there is any, as postgres, or nobody. */
static int choose_user(struct embedded_place *place, struct err *err)
{
    static const char *const names[] = {"postgres", "nobody"};
    char buffer[USER_BUFFER_BYTES];
    struct passwd entry;
    struct passwd *found = NULL;
    struct stat info;

    place->uid = geteuid();
    place->gid = getegid();
    bool exists = stat(place->data, &info) == 0;
    if (place->uid != 0) {
        return !exists || info.st_uid == place->uid
                   ? 0
                   : err_set(err, ERR_SYSTEM, "%s belongs to uid %u: start as that user, or as root", place->data,
                             (unsigned)info.st_uid);
    }
    place->drop = true;
    if (exists && info.st_uid != 0) {
        place->uid = info.st_uid;
        place->gid = info.st_gid;
        return 0;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0] && found == NULL; i++) {
        (void)getpwnam_r(names[i], &entry, buffer, sizeof buffer, &found);
    }
    if (found == NULL) {
        return err_set(err, ERR_SYSTEM, "no user postgres or nobody: PostgreSQL does not run as root");
    }
    place->uid = found->pw_uid;
    place->gid = found->pw_gid;
    return 0;
}

/* The folder itself belongs to the server's user; the one above it, our data directory, may be passed through. */
static int make_folder(const struct embedded_place *place, struct err *err)
{
    char above[EMBEDDED_PATH_MAX];
    struct stat info;
    (void)snprintf(above, sizeof above, "%s", place->dir);
    *strrchr(above, '/') = '\0';
    if (fs_make_dirs(above[0] != '\0' ? above : "/", 0711, err) != 0 || fs_make_dirs(place->dir, 0700, err) != 0) {
        return -1;
    }
    if (!place->drop) {
        return 0;
    }
    if (above[0] != '\0' && stat(above, &info) == 0 && info.st_uid == 0 && (info.st_mode & S_IXOTH) == 0 &&
        chmod(above, (info.st_mode & 07777) | S_IXOTH | S_IXGRP) != 0) {
        return err_set(err, ERR_SYSTEM, "chmod %s: %s", above, strerror(errno));
    }
    if (chown(place->dir, place->uid, place->gid) != 0 || chmod(place->dir, 0700) != 0) {
        return err_set(err, ERR_SYSTEM, "chown %s: %s", place->dir, strerror(errno));
    }
    return 0;
}

/* The absolute path: the server changes its folder, and /proc tells absolute ones. */
static int absolute(const char *dir, char path[EMBEDDED_PATH_MAX], struct err *err)
{
    if (strpbrk(dir, "'\\\n,") != NULL) {
        return err_set(err, ERR_INVALID, "%s: a quote, comma or backslash in the path", dir);
    }
    if (dir[0] != '/') {
        char here[EMBEDDED_PATH_MAX];
        if (getcwd(here, sizeof here) == NULL || join(path, here, dir, NULL) != 0) {
            return err_set(err, ERR_SYSTEM, "%s: no absolute path", dir);
        }
    } else if (text_copy(path, EMBEDDED_PATH_MAX, dir) != 0) {
        return err_set(err, ERR_INVALID, "%.200s: the path is too long", dir);
    }
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') {
        path[--length] = '\0';
    }
    return 0;
}

static int settle(struct embedded *self, const char *dir, struct err *err)
{
    struct embedded_place *place = &self->place;
    char wanted[EMBEDDED_PATH_MAX];
    if (absolute(dir, wanted, err) != 0 || text_copy(place->dir, sizeof place->dir, wanted) != 0 ||
        join(place->data, wanted, "data", err) != 0 || choose_user(place, err) != 0 || make_folder(place, err) != 0) {
        return -1;
    }
    if (realpath(wanted, place->dir) == NULL) {
        return err_set(err, ERR_SYSTEM, "%s: %s", wanted, strerror(errno));
    }
    return join(place->data, place->dir, "data", err) != 0 || join(place->log, place->dir, "server.log", err) != 0 ? -1
                                                                                                                   : 0;
}

/* One node a data directory. The lock goes with the process, however it ends. */
static int take_lock(struct embedded *self, struct err *err)
{
    char path[EMBEDDED_PATH_MAX];
    if (join(path, self->place.dir, "lock", err) != 0) {
        return -1;
    }
    self->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (self->lock_fd < 0) {
        return err_set(err, ERR_SYSTEM, "open %s: %s", path, strerror(errno));
    }
    if (flock(self->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return err_set(err, ERR_CONFLICT, "another process uses the database in %s", self->place.dir);
    }
    return 0;
}

/* ---- the socket ---- */

static bool usable_socket_dir(const struct embedded_place *place, const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == place->uid && (info.st_mode & 077) == 0 &&
           strlen(path) + sizeof SOCKET_NAME <= SOCKET_PATH_MAX;
}

/* A private folder with a short name, for data directories with long ones; remembered, so that it is used again. */
static int make_short_dir(struct embedded *self, const char *note, struct err *err)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    const char *base = geteuid() == 0 ? "/run" : runtime != NULL && strlen(runtime) < 60 ? runtime : "/tmp";
    if (access(base, W_OK) != 0) {
        base = "/tmp";
    }
    (void)snprintf(self->socket_dir, sizeof self->socket_dir, "%.64s/farthing-XXXXXX", base);
    if (mkdtemp(self->socket_dir) == NULL) {
        return err_set(err, ERR_SYSTEM, "make %s: %s", self->socket_dir, strerror(errno));
    }
    if (self->place.drop && chown(self->socket_dir, self->place.uid, self->place.gid) != 0) {
        return err_set(err, ERR_SYSTEM, "chown %s: %s", self->socket_dir, strerror(errno));
    }
    return fs_write_atomic(note, self->socket_dir, strlen(self->socket_dir), 0600, err);
}

static int choose_socket_dir(struct embedded *self, struct err *err)
{
    char note[EMBEDDED_PATH_MAX];
    struct buf kept = {0};
    if (strlen(self->place.dir) + sizeof SOCKET_NAME <= SOCKET_PATH_MAX) {
        (void)snprintf(self->socket_dir, sizeof self->socket_dir, "%.90s", self->place.dir);
        return 0;
    }
    if (join(note, self->place.dir, "socket-dir", err) != 0) {
        return -1;
    }
    bool known = fs_read(note, SOCKET_PATH_MAX - 1, &kept, NULL) == 0 &&
                 usable_socket_dir(&self->place, buf_text(&kept)) &&
                 text_copy(self->socket_dir, sizeof self->socket_dir, buf_text(&kept)) == 0;
    buf_free(&kept);
    return known ? 0 : make_short_dir(self, note, err);
}

/* ---- first start ---- */

/* Settings an operator may change in data/postgresql.conf; what must hold is on the command line (start). */
static const char CONF[] = "\n# Added by farthing.\n"
                           "shared_buffers = 128MB\n"
                           "max_wal_size = 2GB\n"
                           "log_min_messages = warning\n"
                           "log_line_prefix = '%m [%p] '\n"
                           "log_timezone = 'UTC'\n"
                           "timezone = 'UTC'\n"
                           "jit = off\n";

static int append_conf(const char *folder, struct err *err)
{
    char path[EMBEDDED_PATH_MAX];
    if (join(path, folder, "postgresql.conf", err) != 0) {
        return -1;
    }
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    bool ok = fd >= 0 && write(fd, CONF, sizeof CONF - 1) == (ssize_t)(sizeof CONF - 1) && fsync(fd) == 0;
    int error = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok ? 0 : err_set(err, ERR_SYSTEM, "write %s: %s", path, strerror(error));
}

/* Made beside and renamed: a folder called data is a whole one. */
static int init_data(const struct embedded *self, struct err *err)
{
    char fresh[EMBEDDED_PATH_MAX];
    if (join(fresh, self->place.dir, "data.new", err) != 0 || fs_remove_tree(fresh, err) != 0) {
        return -1;
    }
    const char *const args[] = {"-D",
                                fresh,
                                "--username=farthing",
                                "--encoding=UTF8",
                                "--locale=C",
                                "--data-checksums",
                                "--auth-local=trust",
                                "--auth-host=reject",
                                "--no-instructions",
                                self->throw_away ? "--no-sync" : NULL,
                                NULL};
    if (embedded_run(&self->place, "initdb", args, err) != 0 || append_conf(fresh, err) != 0) {
        return -1;
    }
    if (rename(fresh, self->place.data) != 0) {
        return err_set(err, ERR_SYSTEM, "rename %s: %s", fresh, strerror(errno));
    }
    return 0;
}

static int choose_server(struct embedded *self, bool *fresh, struct err *err)
{
    char path[EMBEDDED_PATH_MAX];
    struct buf text = {0};
    int major = 0;
    if (join(path, self->place.data, "PG_VERSION", err) != 0) {
        return -1;
    }
    *fresh = fs_read(path, 64, &text, NULL) != 0;
    if (!*fresh) {
        major = (int)strtol(buf_text(&text), NULL, 10);
    }
    buf_free(&text);
    return embedded_find_major(major, self->place.bindir, sizeof self->place.bindir, err);
}

/* ---- start and stop ---- */

static bool is_ready(const struct embedded *self)
{
    char conninfo[SOCKET_PATH_MAX + 64];
    (void)snprintf(conninfo, sizeof conninfo, "host='%s' dbname=postgres user=farthing", self->socket_dir);
    return PQping(conninfo) == PQPING_OK;
}

static int wait_ready(struct embedded *self, struct err *err)
{
    int64_t until_us = clock_mono_us() + START_WAIT_MS * INT64_C(1000);
    while (!is_ready(self)) {
        if (embedded_wait(&self->keeper, READY_STEP_MS)) {
            embedded_let_go(&self->keeper);
            return embedded_fail(&self->place, err, "the database server did not start");
        }
        if (clock_mono_us() > until_us) {
            embedded_let_go(&self->keeper);
            return embedded_fail(&self->place, err, "the database server is not ready after ten minutes");
        }
    }
    return 0;
}

static int start(struct embedded *self, struct err *err)
{
    const char *safe = self->throw_away ? "off" : "on";
    char sockets[SOCKET_PATH_MAX + 32];
    char connections[32];
    char fsync_arg[32];
    char commit_arg[32];
    char pages_arg[32];
    (void)snprintf(sockets, sizeof sockets, "unix_socket_directories=%s", self->socket_dir);
    (void)snprintf(connections, sizeof connections, "max_connections=%d", self->max_connections);
    (void)snprintf(fsync_arg, sizeof fsync_arg, "fsync=%s", safe);
    (void)snprintf(commit_arg, sizeof commit_arg, "synchronous_commit=%s", safe);
    (void)snprintf(pages_arg, sizeof pages_arg, "full_page_writes=%s", safe);
    const char *const args[] = {"-D", self->place.data,
                                "-p", "5432",
                                "-c", "listen_addresses=",
                                "-c", sockets,
                                "-c", "unix_socket_permissions=0700",
                                "-c", connections,
                                "-c", fsync_arg,
                                "-c", commit_arg,
                                "-c", pages_arg,
                                "-c", "logging_collector=off",
                                NULL};
    if (embedded_clear(&self->place, err) != 0 ||
        embedded_keep(&self->place, args, self->throw_away ? SIGQUIT : SIGINT, &self->keeper, err) != 0) {
        return -1;
    }
    return wait_ready(self, err);
}

static const struct pg_stmt DATABASE_FOUND = {
    .name = "embedded.database",
    .sql = "SELECT 1::int8 AS found FROM pg_catalog.pg_database WHERE datname = 'farthing'",
    .expect = PG_MAYBE_ROW,
};

static int make_database(struct embedded *self, struct err *err)
{
    char conninfo[SOCKET_PATH_MAX + 64];
    struct pg *pg = NULL;
    int64_t found = 0;
    (void)snprintf(conninfo, sizeof conninfo, "host='%s' dbname=postgres user=farthing", self->socket_dir);
    int rc = pg_open_owner(conninfo, &pg, err);
    if (rc == 0) {
        rc = pg_run(pg, &DATABASE_FOUND, NULL, NULL, NULL, &found, err);
    }
    if (rc == 0 && found == 0) {
        rc = pg_script(pg, "CREATE DATABASE farthing", err);
    }
    pg_close(&pg);
    return rc;
}

static void rotate_log(const struct embedded_place *place)
{
    char old[EMBEDDED_PATH_MAX];
    struct stat info;
    if (stat(place->log, &info) == 0 && info.st_size > LOG_BYTES_MAX &&
        join(old, place->dir, "server.log.old", NULL) == 0) {
        (void)rename(place->log, old);
    }
}

static int open_all(struct embedded *self, const char *dir, struct err *err)
{
    bool fresh = false;
    char conninfo[SOCKET_PATH_MAX + 64];
    if (settle(self, dir, err) != 0 || take_lock(self, err) != 0 || choose_socket_dir(self, err) != 0 ||
        choose_server(self, &fresh, err) != 0) {
        return -1;
    }
    rotate_log(&self->place);
    if ((fresh && init_data(self, err) != 0) || start(self, err) != 0 || make_database(self, err) != 0) {
        return -1;
    }
    (void)snprintf(conninfo, sizeof conninfo, "host='%s' dbname=farthing user=farthing", self->socket_dir);
    self->conninfo = strdup(conninfo);
    return self->conninfo != NULL ? 0 : err_set(err, ERR_SYSTEM, "out of memory");
}

int embedded_open(const struct embedded_options *options, struct embedded **server, struct err *err)
{
    struct embedded *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return err_set(err, ERR_SYSTEM, "start the database server: out of memory");
    }
    self->lock_fd = -1;
    self->throw_away = options->throw_away;
    self->max_connections = options->max_connections > 0 ? options->max_connections : CONNECTIONS_DEFAULT;
    if (open_all(self, options->dir, err) != 0) {
        embedded_close(&self);
        return err_wrap(err, "embedded database");
    }
    *server = self;
    return 0;
}

int embedded_restart(struct embedded *server, struct err *err)
{
    embedded_let_go(&server->keeper);
    return start(server, err) == 0 ? 0 : err_wrap(err, "embedded database");
}

const char *embedded_conninfo(const struct embedded *server)
{
    return server->conninfo;
}

bool embedded_alive(const struct embedded *server)
{
    return embedded_kept(&server->keeper);
}

void embedded_close(struct embedded **server)
{
    if (server == NULL || *server == NULL) {
        return;
    }
    embedded_let_go(&(*server)->keeper);
    if ((*server)->lock_fd >= 0) {
        (void)close((*server)->lock_fd);
    }
    free((*server)->conninfo);
    free(*server);
    *server = NULL;
}
