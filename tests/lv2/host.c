#include "host.h"

#include "host_features.h"

#include <lv2/atom/atom.h>
#include <lv2/atom/forge.h>
#include <lv2/atom/util.h>
#include <lv2/midi/midi.h>
#include <lv2/patch/patch.h>
#include <pthread.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_MESSAGES 64
#define N_BUFFER 8192

/// An order to the worker, or its response
typedef struct {
  uint32_t size;
  char     data[64];
} message;

typedef struct {
  message  messages[N_MESSAGES];
  unsigned n;
} queue;

struct host {
  LilvInstance*               instance;
  const LV2_Worker_Interface* work;
  host_worker                 worker;
  LV2_Worker_Schedule         schedule;
  LV2_Feature                 schedule_feature;
  float                       ports[N_GENERATOR_PORTS];
  LV2_Atom_Forge              forge;
  LV2_Atom_Forge_Frame        frame; ///< Of the sequence in `control`
  uint64_t                    control[N_BUFFER / 8];
  uint64_t                    notify[N_BUFFER / 8];
  char                        told[N_BUFFER];
  bool                        is_told;
  bool                        is_refused;
  unsigned                    n_in;
  unsigned                    n_out;
  unsigned                    n_ports; ///< After those of the audio
  void (*enter)(void);     ///< Called before the plugin's audio functions
  unsigned (*leave)(void); ///< Called after them
  unsigned n_watched;      ///< Sum of what that returned

  // The worker, behind the lock if it has a thread
  queue           orders;
  queue           responses;
  pthread_mutex_t mutex;
  pthread_cond_t  changed;
  pthread_t       thread;
  bool            is_busy;
  bool            is_ended;
};

static LV2_URID map_uri(const char* uri)
{
  return host_map()->map(NULL, uri);
}

static LV2_Worker_Status push(queue* q, uint32_t size, const void* data)
{
  assert_true(size <= sizeof q->messages[0].data);
  if (q->n == N_MESSAGES) {
    return LV2_WORKER_ERR_NO_SPACE;
  }
  message* const m = &q->messages[q->n++];
  m->size          = size;
  memcpy(m->data, data, size);
  return LV2_WORKER_SUCCESS;
}

static LV2_Worker_Status
respond(LV2_Worker_Respond_Handle handle, uint32_t size, const void* data)
{
  host* const h = (host*)handle;
  pthread_mutex_lock(&h->mutex);
  const LV2_Worker_Status status = push(&h->responses, size, data);
  pthread_mutex_unlock(&h->mutex);
  return status;
}

static void work(host* h, const message* order)
{
  h->work->work(lilv_instance_get_handle(h->instance), respond, h, order->size,
                order->data);
}

static LV2_Worker_Status schedule_work(LV2_Worker_Schedule_Handle handle,
                                       uint32_t                   size,
                                       const void*                data)
{
  host* const h = (host*)handle;
  if (h->is_refused) {
    return LV2_WORKER_ERR_NO_SPACE;
  }
  if (h->worker == HOST_AT_ONCE) {
    queue now = {.n = 0};
    push(&now, size, data);
    work(h, &now.messages[0]);
    return LV2_WORKER_SUCCESS;
  }
  if (h->worker == HOST_DEFERRED) { // No lock: run() is watched for them
    return push(&h->orders, size, data);
  }
  pthread_mutex_lock(&h->mutex);
  const LV2_Worker_Status status = push(&h->orders, size, data);
  pthread_cond_broadcast(&h->changed);
  pthread_mutex_unlock(&h->mutex);
  return status;
}

/// Take the first message; false if there is none
static bool pop(queue* q, message* m)
{
  if (!q->n) {
    return false;
  }
  *m = q->messages[0];
  --q->n;
  memmove(q->messages, q->messages + 1, q->n * sizeof q->messages[0]);
  return true;
}

static void* work_in_thread(void* user)
{
  host* const h = (host*)user;
  message     m;
  pthread_mutex_lock(&h->mutex);
  while (!h->is_ended) {
    h->is_busy = pop(&h->orders, &m);
    pthread_cond_broadcast(&h->changed);
    if (!h->is_busy) {
      pthread_cond_wait(&h->changed, &h->mutex);
      continue;
    }
    pthread_mutex_unlock(&h->mutex);
    work(h, &m);
    pthread_mutex_lock(&h->mutex);
  }
  pthread_mutex_unlock(&h->mutex);
  return NULL;
}

unsigned host_work(host* h)
{
  unsigned n = 0;
  for (message m; pop(&h->orders, &m); ++n) {
    work(h, &m);
  }
  return n;
}

void host_wait(host* h)
{
  pthread_mutex_lock(&h->mutex);
  while (h->orders.n || h->is_busy) {
    pthread_cond_wait(&h->changed, &h->mutex);
  }
  pthread_mutex_unlock(&h->mutex);
}

void host_refuse_work(host* h, bool is_refused)
{
  h->is_refused = is_refused;
}

static void begin_control(host* h)
{
  lv2_atom_forge_set_buffer(&h->forge, (uint8_t*)h->control, N_BUFFER);
  lv2_atom_forge_sequence_head(&h->forge, &h->frame, 0);
}

static void connect_ports(host* h)
{
  const uint32_t n_audio = h->n_in + h->n_out;
  for (uint32_t i = 0; i < h->n_ports; ++i) {
    void* const data = i == PORT_CONTROL  ? (void*)h->control
                       : i == PORT_NOTIFY ? (void*)h->notify
                                          : (void*)&h->ports[i];
    lilv_instance_connect_port(h->instance, n_audio + i, data);
  }
}

host* host_new(const char* uri, double rate_hz, host_worker worker)
{
  host* const h = (host*)calloc(1, sizeof *h);
  assert_non_null(h);
  h->worker           = worker;
  h->n_in             = !strcmp(uri, HOST_STEREO) ? 2 : !strcmp(uri, HOST_MONO);
  h->n_out            = h->n_in ? h->n_in : 1;
  h->schedule         = (LV2_Worker_Schedule){h, schedule_work};
  h->schedule_feature = (LV2_Feature){LV2_WORKER__schedule, &h->schedule};
  const LV2_Feature* const features[] = {
    &host_map_feature, &host_unmap_feature, &host_log_feature,
    worker == HOST_NO_WORKER ? NULL : &h->schedule_feature, NULL};

  const LilvPlugin* const plugin = host_plugin(uri);
  h->instance = lilv_plugin_instantiate(plugin, rate_hz, features);
  if (!h->instance) {
    free(h);
    return NULL;
  }
  h->work = (const LV2_Worker_Interface*)lilv_instance_get_extension_data(
    h->instance, LV2_WORKER__interface);
  const unsigned n_audio = h->n_in + h->n_out;
  h->n_ports             = lilv_plugin_get_num_ports(plugin) - n_audio;
  assert_in_range(h->n_ports, 1, N_GENERATOR_PORTS);
  float defaults[2 * MAUDIO_MAX_CHANNELS + N_GENERATOR_PORTS];
  lilv_plugin_get_port_ranges_float(plugin, NULL, NULL, defaults);
  memcpy(h->ports, defaults + n_audio, h->n_ports * sizeof h->ports[0]);
  lv2_atom_forge_init(&h->forge, host_map());
  begin_control(h);
  connect_ports(h);
  pthread_mutex_init(&h->mutex, NULL);
  pthread_cond_init(&h->changed, NULL);
  if (worker == HOST_THREADED) {
    assert_int_equal(pthread_create(&h->thread, NULL, work_in_thread, h), 0);
  }
  lilv_instance_activate(h->instance);
  return h;
}

void host_free(host* h)
{
  if (h->worker == HOST_THREADED) {
    pthread_mutex_lock(&h->mutex);
    h->is_ended = true;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->mutex);
    pthread_join(h->thread, NULL);
  }
  lilv_instance_deactivate(h->instance);
  lilv_instance_free(h->instance);
  pthread_cond_destroy(&h->changed);
  pthread_mutex_destroy(&h->mutex);
  free(h);
}

LilvInstance* host_instance(host* h)
{
  return h->instance;
}

float* host_port(host* h, port_index port)
{
  return &h->ports[port];
}

/// Remember the path of each patch:Set that the plugin sent
static void read_notify(host* h)
{
  const LV2_Atom_Sequence* const notify = (const LV2_Atom_Sequence*)h->notify;
  assert_true(notify->atom.size <= N_BUFFER - sizeof(LV2_Atom));
  LV2_ATOM_SEQUENCE_FOREACH(notify, event)
  {
    const LV2_Atom_Object* object   = (const LV2_Atom_Object*)&event->body;
    const LV2_Atom_URID*   property = NULL;
    const LV2_Atom*        value    = NULL;
    assert_int_equal(object->body.otype, map_uri(LV2_PATCH__Set));
    lv2_atom_object_get(object, map_uri(LV2_PATCH__property), &property,
                        map_uri(LV2_PATCH__value), &value, 0);
    assert_non_null(property);
    assert_int_equal(property->body, map_uri(HOST_MODEL));
    assert_non_null(value);
    assert_int_equal(value->type, map_uri(LV2_ATOM__Path));
    const char* const path = (const char*)LV2_ATOM_BODY_CONST(value);
    assert_int_equal(value->size, strlen(path) + 1);
    strcpy(h->told, path);
    h->is_told = true;
  }
}

static void enter(const host* h)
{
  if (h->enter) {
    h->enter();
  }
}

static void leave(host* h)
{
  if (h->leave) {
    h->n_watched += h->leave();
  }
}

void host_watch(host* h, void (*enter_run)(void), unsigned (*leave_run)(void))
{
  h->enter = enter_run;
  h->leave = leave_run;
}

unsigned host_watched(const host* h)
{
  return h->n_watched;
}

static void deliver_responses(host* h)
{
  message m;
  for (;;) {
    // Without a thread there is no need for the lock
    const bool has_thread = h->worker == HOST_THREADED;
    if (has_thread) {
      pthread_mutex_lock(&h->mutex);
    }
    const bool is_there = pop(&h->responses, &m);
    if (has_thread) {
      pthread_mutex_unlock(&h->mutex);
    }
    if (!is_there) {
      return;
    }
    enter(h);
    h->work->work_response(lilv_instance_get_handle(h->instance), m.size,
                           m.data);
    leave(h);
  }
}

void host_run(host* h, const float* const* in, float* const* out, size_t n)
{
  for (unsigned c = 0; c < h->n_in; ++c) {
    // Connected through void*, though it only reads
    float* input = NULL;
    memcpy(&input, &in[c], sizeof input);
    lilv_instance_connect_port(h->instance, c, input);
  }
  for (unsigned c = 0; c < h->n_out; ++c) {
    lilv_instance_connect_port(h->instance, h->n_in + c, out[c]);
  }
  LV2_Atom_Sequence* const notify = (LV2_Atom_Sequence*)h->notify;
  notify->atom.size               = N_BUFFER;
  notify->atom.type               = 0;
  enter(h);
  lilv_instance_run(h->instance, (uint32_t)n);
  leave(h);
  deliver_responses(h);
  read_notify(h);
  begin_control(h);
}

void host_process(host*               h,
                  const float* const* in,
                  float* const*       out,
                  size_t              n_frames,
                  size_t              block)
{
  static const size_t blocks[] = {0, 1, 17, 8192, 64, 0, 480, 3, 1024, 333};
  size_t              i        = 0;
  for (size_t done = 0; done < n_frames;) {
    const size_t wanted = block ? block : blocks[i++ % 10];
    const size_t n      = wanted < n_frames - done ? wanted : n_frames - done;
    const float* from[MAUDIO_MAX_CHANNELS] = {NULL};
    float*       to[MAUDIO_MAX_CHANNELS]   = {NULL};
    for (unsigned c = 0; c < h->n_in; ++c) {
      from[c] = in[c] + done;
    }
    for (unsigned c = 0; c < h->n_out; ++c) {
      to[c] = out[c] + done;
    }
    host_run(h, from, to, n);
    done += n;
  }
}

/// Send a message about the model; `path` is NULL without a value
static void send_message(host* h, const char* type, const char* path)
{
  LV2_Atom_Forge_Frame  object;
  LV2_Atom_Forge* const forge = &h->forge;
  lv2_atom_forge_frame_time(forge, 0);
  lv2_atom_forge_object(forge, &object, 0, map_uri(type));
  lv2_atom_forge_key(forge, map_uri(LV2_PATCH__property));
  lv2_atom_forge_urid(forge, map_uri(HOST_MODEL));
  if (path) {
    lv2_atom_forge_key(forge, map_uri(LV2_PATCH__value));
    lv2_atom_forge_path(forge, path, (uint32_t)strlen(path));
  }
  lv2_atom_forge_pop(forge, &object);
}

void host_send_midi(host* h, uint32_t frame, const uint8_t* bytes)
{
  lv2_atom_forge_frame_time(&h->forge, frame);
  lv2_atom_forge_atom(&h->forge, 3, map_uri(LV2_MIDI__MidiEvent));
  lv2_atom_forge_write(&h->forge, bytes, 3);
}

void host_set_model(host* h, const char* path)
{
  send_message(h, LV2_PATCH__Set, path);
}

void host_get_model(host* h)
{
  send_message(h, LV2_PATCH__Get, NULL);
}

const char* host_told(host* h)
{
  const bool is_told = h->is_told;
  h->is_told         = false;
  return is_told ? h->told : NULL;
}

void host_copy_file(const char* from, const char* to)
{
  FILE* const in  = fopen(from, "rb");
  FILE* const out = fopen(to, "wb");
  assert_non_null(in);
  assert_non_null(out);
  char   data[4096];
  size_t n = 0;
  while ((n = fread(data, 1, sizeof data, in))) {
    assert_int_equal(fwrite(data, 1, n, out), n);
  }
  fclose(in);
  assert_int_equal(fclose(out), 0);
}
