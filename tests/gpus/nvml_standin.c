/* A stand-in for libnvidia-ml.so.1: the calls that the program makes, answered from a text file.
 *
 * The file is named by NVML_STANDIN and read again whenever the devices are counted, so that a
 * running program sees a changed file at its next reading. A line is a word and then fields,
 * "key=value" divided by ';':
 *
 *   system init=0;driver=580.95.05;cuda=13000
 *   gpu name=NVIDIA GeForce RTX 4090;uuid=GPU-0;total=24564;reserved=484;used=12000;cc=809;...
 *   mig gpu=0;name=...;uuid=MIG-0;total=40192;used=0;sms=60;instance=1
 *   process gpu=0;pid=17;mib=11500;kind=C      (C, G or M; gpu counts the gpu and mig lines)
 *   fail call=nvmlDeviceGetPowerUsage;gpu=1;code=15      (no gpu: all of them; code -1 hangs)
 *
 * Sizes are MiB, power is mW, cc is 100 * major + minor. A field left out is not supported. Compiled with
 * -DOLD_DRIVER it lacks the calls that drivers before 510 lack.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX 64
#define NONE (-1L)
#define MIB (1024ULL * 1024ULL)
enum { OK = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6,
       INSUFFICIENT_SIZE = 7 };

typedef unsigned int u32;
typedef unsigned long long u64;

typedef struct {
    int is_mig, gpu, slices;
    char name[96], uuid[96];
    long total, reserved, used, util, memutil, temperature, power, limit, sm, mem, gen, width,
        links, cc, cores, sms, instance, mig;
} Device;

typedef struct { int device; u32 pid; long mib; char kind; } Process;
typedef struct { char call[64]; int gpu, code; } Failure;
typedef struct { u32 pid; u64 memory; u32 instance, compute; } ProcessInfo;
typedef struct { u64 total, free, used; } MemoryV1;
typedef struct { u32 version; u64 total, reserved, free, used; } MemoryV2;
typedef struct { u32 version, sensor; int celsius; } Temperature;
typedef struct { u32 multiprocessors, shared[5], slices, compute_slices; u64 mib; } Attributes;

static Device devices[MAX];
static Process processes[MAX];
static Failure failures[MAX];
static int device_count, process_count, failure_count, running;
static long init_code, cuda;
static char driver[80];

static const char *field(const char *line, const char *key, char *into, size_t size) {
    size_t length = strlen(key);
    const char *at = strchr(line, ' ');
    while (at && *at) {
        ++at;
        if (!strncmp(at, key, length) && at[length] == '=') {
            at += length + 1;
            size_t n = strcspn(at, ";\n");
            if (n >= size) n = size - 1;
            memcpy(into, at, n);
            into[n] = 0;
            return into;
        }
        at = strchr(at, ';');
    }
    return NULL;
}

static long number(const char *line, const char *key) {
    char text[32];
    return field(line, key, text, sizeof text) ? atol(text) : NONE;
}

static void load(void) {
    char line[1024], kind[8];
    const char *path = getenv("NVML_STANDIN");
    FILE *file = path ? fopen(path, "r") : NULL;
    device_count = process_count = failure_count = 0;
    init_code = 0;
    if (!file) return;
    while (fgets(line, sizeof line, file)) {
        if (!strncmp(line, "system ", 7)) {
            long code = number(line, "init");
            init_code = code == NONE ? 0 : code;
            cuda = number(line, "cuda");
            if (!field(line, "driver", driver, sizeof driver)) driver[0] = 0;
        } else if (!strncmp(line, "gpu ", 4) || !strncmp(line, "mig ", 4)) {
            Device *d = &devices[device_count++];
            memset(d, 0, sizeof *d);
            d->is_mig = line[0] == 'm';
            field(line, "name", d->name, sizeof d->name);
            field(line, "uuid", d->uuid, sizeof d->uuid);
            d->gpu = (int)number(line, "gpu");
            d->total = number(line, "total");
            d->reserved = number(line, "reserved");
            d->used = number(line, "used");
            d->util = number(line, "util");
            d->memutil = number(line, "memutil");
            d->temperature = number(line, "temperature");
            d->power = number(line, "power");
            d->limit = number(line, "limit");
            d->sm = number(line, "sm");
            d->mem = number(line, "mem");
            d->gen = number(line, "gen");
            d->width = number(line, "width");
            d->links = number(line, "links");
            d->cc = number(line, "cc");
            d->cores = number(line, "cores");
            d->sms = number(line, "sms");
            d->instance = number(line, "instance");
            d->mig = number(line, "mig");
        } else if (!strncmp(line, "process ", 8)) {
            Process *p = &processes[process_count++];
            p->device = (int)number(line, "gpu");
            p->pid = (u32)number(line, "pid");
            p->mib = number(line, "mib");
            p->kind = field(line, "kind", kind, sizeof kind) ? kind[0] : 'C';
        } else if (!strncmp(line, "fail ", 5)) {
            Failure *f = &failures[failure_count++];
            field(line, "call", f->call, sizeof f->call);
            f->gpu = (int)number(line, "gpu");
            f->code = (int)number(line, "code");
        }
    }
    fclose(file);
}

/* The code that a call is to fail with; does not return while the file says that it hangs. */
static int failing(const char *call, int device) {
    for (int i = 0; i < failure_count; ++i) {
        if (strcmp(failures[i].call, call)) continue;
        if (failures[i].gpu != -1 && failures[i].gpu != device) continue;
        if (failures[i].code != -1) return failures[i].code;
        usleep(10000);
        load();
        i = -1;
    }
    return OK;
}

static int nth(int wanted, int is_mig, int gpu) {
    for (int i = 0; i < device_count; ++i)
        if (devices[i].is_mig == is_mig && (!is_mig || devices[i].gpu == gpu) && !wanted--) return i;
    return -1;
}

#define INDEX(handle) ((int)(long)(handle) - 1)
#define ENTER(handle)                                              \
    int at = INDEX(handle), code = failing(__func__, at);          \
    if (!running) return UNINITIALIZED;                            \
    if (code) return code;                                         \
    if (at < 0 || at >= device_count) return INVALID_ARGUMENT;     \
    Device *d = &devices[at];
#define NUMBER(name, member)                                       \
    int name(void *handle, u32 *value) {                           \
        ENTER(handle)                                              \
        if (d->member == NONE) return NOT_SUPPORTED;               \
        *value = (u32)d->member;                                   \
        return OK;                                                 \
    }
#define TEXT(name, member)                                         \
    int name(void *handle, char *text, u32 size) {                 \
        ENTER(handle)                                              \
        if (!d->member[0]) return NOT_SUPPORTED;                   \
        snprintf(text, size, "%s", d->member);                     \
        return OK;                                                 \
    }

int nvmlInitWithFlags(u32 flags) {
    (void)flags;
    load();
    int code = failing(__func__, -1);
    if (code || init_code) return code ? code : (int)init_code;
    running = 1;
    return OK;
}

int nvmlShutdown(void) {
    running = 0;
    return OK;
}

const char *nvmlErrorString(int code) {
    static char text[32];
    snprintf(text, sizeof text, "stand-in error %d", code);
    return text;
}

int nvmlSystemGetDriverVersion(char *text, u32 size) {
    if (!driver[0]) return NOT_SUPPORTED;
    snprintf(text, size, "%s", driver);
    return OK;
}

int nvmlSystemGetCudaDriverVersion(int *version) {
    if (cuda == NONE) return NOT_SUPPORTED;
    *version = (int)cuda;
    return OK;
}

int nvmlDeviceGetCount_v2(u32 *count) {
    load();
    int code = failing(__func__, -1);
    if (!running) return UNINITIALIZED;
    if (code) return code;
    for (*count = 0; nth((int)*count, 0, 0) >= 0;) ++*count;
    return OK;
}

int nvmlDeviceGetHandleByIndex_v2(u32 index, void **handle) {
    int at = nth((int)index, 0, 0), code = failing(__func__, at);
    if (code) return code;
    *handle = (void *)(long)(at + 1);
    return at < 0 ? INVALID_ARGUMENT : OK;
}

TEXT(nvmlDeviceGetName, name)
TEXT(nvmlDeviceGetUUID, uuid)
NUMBER(nvmlDeviceGetPowerUsage, power)
NUMBER(nvmlDeviceGetEnforcedPowerLimit, limit)
NUMBER(nvmlDeviceGetMaxPcieLinkGeneration, gen)
NUMBER(nvmlDeviceGetCurrPcieLinkWidth, width)
NUMBER(nvmlDeviceGetGpuInstanceId, instance)

int nvmlDeviceGetMemoryInfo(void *handle, MemoryV1 *memory) {
    ENTER(handle)
    if (d->total == NONE) return NOT_SUPPORTED;
    long kept = d->reserved == NONE ? 0 : d->reserved;
    memory->total = d->total * MIB;
    memory->used = (d->used + kept) * MIB;
    memory->free = memory->total - memory->used;
    return OK;
}

int nvmlDeviceGetUtilizationRates(void *handle, u32 rates[2]) {
    ENTER(handle)
    if (d->util == NONE) return NOT_SUPPORTED;
    rates[0] = (u32)d->util;
    rates[1] = (u32)d->memutil;
    return OK;
}

int nvmlDeviceGetTemperature(void *handle, u32 sensor, u32 *value) {
    ENTER(handle)
    if (d->temperature == NONE || sensor) return NOT_SUPPORTED;
    *value = (u32)d->temperature;
    return OK;
}

int nvmlDeviceGetClockInfo(void *handle, u32 type, u32 *value) {
    ENTER(handle)
    long clock = type == 1 ? d->sm : type == 2 ? d->mem : NONE;
    if (clock == NONE) return NOT_SUPPORTED;
    *value = (u32)clock;
    return OK;
}

int nvmlDeviceGetNvLinkState(void *handle, u32 link, u32 *active) {
    ENTER(handle)
    if (d->links == NONE) return NOT_SUPPORTED;
    if (link >= 18) return INVALID_ARGUMENT;
    *active = (long)link < d->links;
    return OK;
}

int nvmlDeviceGetCudaComputeCapability(void *handle, int *major, int *minor) {
    ENTER(handle)
    if (d->cc == NONE) return NOT_SUPPORTED;
    *major = (int)d->cc / 100;
    *minor = (int)d->cc % 100;
    return OK;
}

int nvmlDeviceGetMigMode(void *handle, u32 *current, u32 *pending) {
    ENTER(handle)
    if (d->mig == NONE) return NOT_SUPPORTED;
    *current = *pending = (u32)d->mig;
    return OK;
}

int nvmlDeviceGetMaxMigDeviceCount(void *handle, u32 *count) {
    ENTER(handle)
    *count = d->mig == NONE ? 0 : 7;
    return OK;
}

int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, u32 index, void **slice) {
    ENTER(handle)
    (void)d;
    int found = nth((int)index, 1, at);
    *slice = (void *)(long)(found + 1);
    return found < 0 ? NOT_FOUND : OK;
}

int nvmlDeviceGetAttributes_v2(void *handle, Attributes *attributes) {
    ENTER(handle)
    if (!d->is_mig) return NOT_SUPPORTED;
    memset(attributes, 0, sizeof *attributes);
    attributes->multiprocessors = (u32)d->sms;
    attributes->slices = 3;
    attributes->mib = (u64)d->total;
    return OK;
}

static int running_processes(int at, char kind, u32 *count, ProcessInfo *into) {
    u32 found = 0;
    for (int i = 0; i < process_count; ++i) {
        if (processes[i].device != at || processes[i].kind != kind) continue;
        if (into && found < *count) {
            into[found].pid = processes[i].pid;
            into[found].memory = processes[i].mib == NONE ? ~0ULL : processes[i].mib * MIB;
            into[found].instance = into[found].compute = ~0U;
        }
        ++found;
    }
    int fits = found <= *count;
    *count = found;
    return fits ? OK : INSUFFICIENT_SIZE;
}

#define PROCESSES(name, kind)                                      \
    int name(void *handle, u32 *count, ProcessInfo *into) {        \
        ENTER(handle)                                              \
        (void)d;                                                   \
        return running_processes(at, kind, count, into);           \
    }

PROCESSES(nvmlDeviceGetComputeRunningProcesses_v2, 'C')
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v2, 'G')
PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses_v2, 'M')

#ifndef OLD_DRIVER
PROCESSES(nvmlDeviceGetComputeRunningProcesses_v3, 'C')
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v3, 'G')
PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses_v3, 'M')
NUMBER(nvmlDeviceGetNumGpuCores, cores)

int nvmlDeviceGetTemperatureV(void *handle, Temperature *temperature) {
    ENTER(handle)
    if (d->temperature == NONE || temperature->sensor) return NOT_SUPPORTED;
    temperature->celsius = (int)d->temperature;
    return OK;
}

int nvmlDeviceGetMemoryInfo_v2(void *handle, MemoryV2 *memory) {
    ENTER(handle)
    if (d->total == NONE) return NOT_SUPPORTED;
    long kept = d->reserved == NONE ? 0 : d->reserved;
    memory->total = d->total * MIB;
    memory->reserved = kept * MIB;
    memory->used = d->used * MIB;
    memory->free = memory->total - memory->reserved - memory->used;
    return OK;
}
#endif
