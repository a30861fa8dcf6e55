#include "player.h"

#include <stdlib.h>
#include <string.h>

maudio_status
player_init(player* p, const sound_spec* spec, maudio_error* error)
{
  *p = (player){.spec = *spec, .n_factory = sound_n_factory(spec->task)};
  pthread_mutex_init(&p->mutex, NULL);
  for (unsigned i = 0; i < p->n_factory; ++i) {
    const maudio_status status =
      sound_new_factory(i, spec, &p->factory[i], error);
    if (status) {
      return status;
    }
  }
  sound* const first = p->factory[0];
  first->is_used     = true;
  p->wanted          = first;
  p->asked           = first;
  atomic_init(&p->shown, first);
  return first->stream ? maudio_effect_new(spec->rate_hz, spec->n_channels,
                                           first->stream, &p->effect, error)
                       : MAUDIO_SUCCESS;
}

void player_clear(player* p)
{
  maudio_effect_free(p->effect);
  player_sweep(p);
  sound_free_list(p->files);
  sound* const restored = player_restored(p);
  if (restored && !restored->is_factory) {
    sound_free(restored);
  }
  for (unsigned i = 0; i < p->n_factory; ++i) {
    sound_free(p->factory[i]);
  }
  pthread_mutex_destroy(&p->mutex);
}

void player_discard(player* p, sound* s)
{
  // Others only ever take the whole list: a second round is rare, a third rarer
  sound* first = atomic_load_explicit(&p->garbage, memory_order_relaxed);
  do {
    s->next = first;
  } while (!atomic_compare_exchange_weak_explicit(
    &p->garbage, &first, s, memory_order_release, memory_order_relaxed));
}

/// A sound is not used any more
static void take_back(player* p, sound* s)
{
  s->is_used = false;
  for (sound** at = &p->files; *at; at = &(*at)->next) {
    if (*at == s) {
      *at = s->next;
      player_discard(p, s);
      break;
    }
  }
}

/// The effect is done with a stream
static void take_back_stream(player* p, const maudio_stream* stream)
{
  for (unsigned i = 0; i < p->n_factory; ++i) {
    if (p->factory[i]->stream == stream) {
      take_back(p, p->factory[i]);
      return;
    }
  }
  sound* s = p->files;
  while (s && s->stream != stream) {
    s = s->next;
  }
  if (s) {
    take_back(p, s);
  }
}

void player_update(player* p)
{
  const maudio_stream* const retired =
    p->effect ? maudio_effect_retired(p->effect) : NULL;
  if (retired) {
    take_back_stream(p, retired);
  }
  sound* const wanted = p->wanted;
  sound* const before = p->asked;
  if (wanted == before || wanted->is_used) {
    return;
  }
  wanted->is_used = true;
  p->asked        = wanted;
  if (!p->effect) {
    voice_stop(before->voice);
    take_back(p, before);
    return;
  }
  const maudio_stream* const unplayed =
    maudio_effect_play(p->effect, wanted->stream);
  if (unplayed) {
    take_back_stream(p, unplayed);
  }
}

void player_want(player* p, sound* s)
{
  if (!s->is_factory) {
    s->next  = p->files;
    p->files = s;
  }
  p->wanted = s;
  atomic_store_explicit(&p->shown, s, memory_order_release);
  player_update(p);
}

bool player_has_garbage(player* p)
{
  return atomic_load_explicit(&p->garbage, memory_order_relaxed) != NULL;
}

void player_sweep(player* p)
{
  pthread_mutex_lock(&p->mutex);
  sound* const garbage =
    atomic_exchange_explicit(&p->garbage, NULL, memory_order_acquire);
  sound_free_list(garbage);
  pthread_mutex_unlock(&p->mutex);
}

void player_restore(player* p, sound* s)
{
  sound* const unheard =
    atomic_exchange_explicit(&p->restored, s, memory_order_acq_rel);
  if (unheard && !unheard->is_factory) {
    sound_free(unheard);
  }
}

sound* player_restored(player* p)
{
  return atomic_exchange_explicit(&p->restored, NULL, memory_order_acq_rel);
}

char* player_copy_path(player* p)
{
  pthread_mutex_lock(&p->mutex);
  const sound* s = atomic_load_explicit(&p->restored, memory_order_acquire);
  if (!s) {
    s = atomic_load_explicit(&p->shown, memory_order_acquire);
  }
  char* const path = s->is_factory ? NULL : strdup(s->path);
  pthread_mutex_unlock(&p->mutex);
  return path;
}
