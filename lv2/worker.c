#include "worker.h"

#include <string.h>

/// An order to the worker, the whole of its message
typedef enum {
  ORDER_SWEEP, ///< Free discarded sounds
  ORDER_LOAD   ///< That, and load model_request::loading
} order;

void worker_ask(instance* in, const char* path, size_t length)
{
  model_request* const request = &in->request;
  memcpy(request->path, path, length);
  request->path[length] = '\0';
  request->is_asked     = true;
  ++in->n_changes;
}

static bool give(const instance* in, order o)
{
  const LV2_Worker_Schedule* const schedule = in->schedule;
  return schedule->schedule_work(schedule->handle, sizeof o, &o) ==
         LV2_WORKER_SUCCESS;
}

/// Give an order once; the flag is set first, as a host that has time to work
/// at once does so before it returns
static bool give_once(const instance* in, order o, atomic_bool* is_given)
{
  if (atomic_exchange(is_given, true)) {
    return false;
  }
  const bool is_taken = give(in, o);
  if (!is_taken) {
    atomic_store(is_given, false);
  }
  return is_taken;
}

void worker_schedule(instance* in)
{
  if (!in->schedule) {
    return;
  }
  model_request* const request = &in->request;
  if (request->is_asked && !atomic_load(&request->is_loading)) {
    memcpy(request->loading, request->path, sizeof request->loading);
    request->loading_change = in->n_changes;
    request->is_asked       = !give_once(in, ORDER_LOAD, &request->is_loading);
  }
  if (player_has_garbage(&in->play)) {
    give_once(in, ORDER_SWEEP, &in->is_sweeping);
  }
}

/// Load what is asked for, and respond in any case
static LV2_Worker_Status load(instance*                   in,
                              LV2_Worker_Respond_Function respond,
                              LV2_Worker_Respond_Handle   handle)
{
  model_request* const request = &in->request;
  maudio_error         error   = {.message = ""};
  if (sound_new(request->loading, &in->play.spec, &request->loaded, &error)) {
    instance_complain(in, error.message);
  }
  const order             o      = ORDER_LOAD;
  const LV2_Worker_Status status = respond(handle, sizeof o, &o);
  if (status) {
    instance_complain(in, "The host did not take a model that was loaded");
    sound_free(request->loaded);
    request->loaded = NULL;
    atomic_store(&request->is_loading, false);
  }
  return status;
}

/// Any thread but the audio thread, one call at a time
static LV2_Worker_Status work(LV2_Handle                  plugin,
                              LV2_Worker_Respond_Function respond,
                              LV2_Worker_Respond_Handle   handle,
                              uint32_t                    size,
                              const void*                 data)
{
  instance* const in = (instance*)plugin;
  order           o  = ORDER_SWEEP;
  if (size != sizeof o) {
    return LV2_WORKER_ERR_UNKNOWN;
  }
  memcpy(&o, data, sizeof o);
  if (o == ORDER_LOAD) {
    return load(in, respond, handle);
  }
  atomic_store(&in->is_sweeping, false);
  player_sweep(&in->play);
  return LV2_WORKER_SUCCESS;
}

/// Audio thread
static LV2_Worker_Status
work_response(LV2_Handle plugin, uint32_t size, const void* data)
{
  (void)size;
  (void)data;
  instance* const      in      = (instance*)plugin;
  model_request* const request = &in->request;
  sound* const         loaded  = request->loaded;
  request->loaded              = NULL;
  const bool is_latest         = request->loading_change == in->n_changes;
  atomic_store(&request->is_loading, false);
  if (loaded && is_latest) {
    atomic_store(&in->is_missing, false);
    instance_change(in, loaded);
  } else if (loaded) {
    player_discard(&in->play, loaded);
  } else if (is_latest) {
    in->is_to_tell = true; // What plays is not what was asked for
  }
  return LV2_WORKER_SUCCESS;
}

const LV2_Worker_Interface worker_interface = {work, work_response, NULL};
