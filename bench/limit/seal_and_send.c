/*
 * The limit: what sealing and sending costs when a C program does nothing else. It has one packet, which
 * it seals anew for each subscriber with AES-128-GCM and sends, paced in frames and bursts as the
 * benchmark's publishers are. Receiving, rewriting and retransmission are left out.
 *
 * Standard input: the subscribers' UDP ports on 127.0.0.1, separated by white space.
 * Arguments: milliseconds, warm-up milliseconds, frames per second, packets per frame, bytes of a
 * packet, bytes of a frame's last packet, packets per burst, and 1 for segmentation by the kernel.
 * Standard output: one line of JSON. Linux, OpenSSL 1.1 or later.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum {
  MAX_SUBSCRIBERS = 4096,
  MAX_PACKET = 1500,
  HEADER = 12,
  TAG = 16,
  BATCH = 64,         /* datagrams in one system call */
  MAX_SEGMENTS = 32,  /* packets in one message */
};

static struct sockaddr_in subscribers[MAX_SUBSCRIBERS];
static EVP_CIPHER_CTX *contexts[MAX_SUBSCRIBERS];
static int subscriber_count;

static unsigned char clear[MAX_PACKET];
static unsigned char slots[BATCH][MAX_PACKET + TAG];
static struct iovec vectors[BATCH];
static struct mmsghdr messages[BATCH];
static struct {
  _Alignas(struct cmsghdr) unsigned char bytes[CMSG_SPACE(sizeof(uint16_t))];
} controls[BATCH];

static int descriptor;
static int slot_count;    /* slots that are filled */
static int message_count; /* messages over them */
static long sent, failed;

static double seconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

static double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
         (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void flush(void) {
  for (int done = 0; done < message_count;) {
    int count = sendmmsg(descriptor, messages + done, message_count - done, 0);
    if (count < 0) {
      failed++;
      count = 1; /* the first of them cannot be sent */
    }
    done += count;
  }
  slot_count = message_count = 0;
}

/* Seals packet `number` for a subscriber into the next slot; returns its length. */
static int seal(int subscriber, uint32_t number, int bytes) {
  unsigned char *slot = slots[slot_count];
  unsigned char iv[12] = {0};
  int length;
  memcpy(slot, clear, HEADER);
  slot[2] = number >> 8;
  slot[3] = number;
  memcpy(slot + 8, &subscriber, 4);
  memcpy(iv + 2, slot + 8, 4);
  memcpy(iv + 8, &number, 4);
  EVP_CIPHER_CTX *context = contexts[subscriber];
  EVP_EncryptInit_ex(context, NULL, NULL, NULL, iv);
  EVP_EncryptUpdate(context, NULL, &length, slot, HEADER);
  EVP_EncryptUpdate(context, slot + HEADER, &length, clear + HEADER, bytes - HEADER);
  EVP_EncryptFinal_ex(context, slot + bytes, &length);
  EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, TAG, slot + bytes);
  vectors[slot_count].iov_base = slot;
  vectors[slot_count].iov_len = bytes + TAG;
  slot_count++;
  return bytes + TAG;
}

/* Makes the next message of the `count` slots filled last. */
static void queue(int subscriber, int count, int segment) {
  struct msghdr *header = &messages[message_count].msg_hdr;
  memset(header, 0, sizeof *header);
  header->msg_name = &subscribers[subscriber];
  header->msg_namelen = sizeof subscribers[subscriber];
  header->msg_iov = &vectors[slot_count - count];
  header->msg_iovlen = count;
  if (count > 1) {
    header->msg_control = controls[message_count].bytes;
    header->msg_controllen = sizeof controls[message_count].bytes;
    struct cmsghdr *control = CMSG_FIRSTHDR(header);
    control->cmsg_level = IPPROTO_UDP;
    control->cmsg_type = UDP_SEGMENT;
    control->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    uint16_t size = segment;
    memcpy(CMSG_DATA(control), &size, sizeof size);
  }
  message_count++;
  sent += count;
}

/* Packets first..end of a frame to everybody, subscriber by subscriber. */
static void burst(uint32_t number, int first, int end, int last, int bytes, int last_bytes, int gso) {
  for (int subscriber = 0; subscriber < subscriber_count; subscriber++) {
    for (int at = first; at < end;) {
      int count = 0;
      int run = gso ? (end - at < MAX_SEGMENTS ? end - at : MAX_SEGMENTS) : 1;
      if (slot_count + run > BATCH) flush();
      for (; count < run; count++, at++) seal(subscriber, number + at, at == last ? last_bytes : bytes);
      queue(subscriber, count, bytes + TAG);
    }
  }
}

static void read_subscribers(void) {
  static const unsigned char key[16] = {1};
  int port;
  while (subscriber_count < MAX_SUBSCRIBERS && scanf("%d", &port) == 1) {
    struct sockaddr_in *address = &subscribers[subscriber_count];
    address->sin_family = AF_INET;
    address->sin_port = htons(port);
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    contexts[subscriber_count] = EVP_CIPHER_CTX_new();
    EVP_EncryptInit_ex(contexts[subscriber_count++], EVP_aes_128_gcm(), NULL, key, NULL);
  }
}

static void sleep_until(double time) {
  struct timespec until = {.tv_sec = (time_t)time};
  until.tv_nsec = (long)((time - until.tv_sec) * 1e9);
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

int main(int count, char **arguments) {
  if (count != 9) return 2;
  double run_s = atof(arguments[1]) / 1000, warm_s = atof(arguments[2]) / 1000;
  double rate = atof(arguments[3]);
  int packets = atoi(arguments[4]), bytes = atoi(arguments[5]), last_bytes = atoi(arguments[6]);
  int burst_packets = atoi(arguments[7]), gso = atoi(arguments[8]);
  if (burst_packets > packets) burst_packets = packets;
  if (bytes > MAX_PACKET || packets < 1 || burst_packets < 1) return 2;
  read_subscribers();
  descriptor = socket(AF_INET, SOCK_DGRAM, 0);
  clear[0] = 0x80;
  clear[1] = 96;

  /* A burst every 5 ms, or as the frames' rate wants it. */
  int bursts = (packets + burst_packets - 1) / burst_packets;
  double frame_s = 1 / rate, spacing_s = frame_s * 0.8 / bursts;
  if (spacing_s > 0.005) spacing_s = 0.005;
  double start = seconds(CLOCK_MONOTONIC), end = start + warm_s + run_s;
  double measured_at = 0, cpu_at = 0, latest = 0;
  long sent_at = 0;
  for (long frame = 0;; frame++) {
    for (int first = 0; first < packets; first += burst_packets) {
      double due = start + frame * frame_s + first / burst_packets * spacing_s;
      double now = seconds(CLOCK_MONOTONIC);
      if (measured_at == 0 && now >= start + warm_s) {
        measured_at = now;
        cpu_at = cpu_seconds();
        sent_at = sent;
      }
      if (due >= end || now >= end + 1) goto done;
      if (now < due) {
        flush();
        sleep_until(due);
      } else if (now - due > latest) {
        latest = now - due;
      }
      int last = first + burst_packets < packets ? first + burst_packets : packets;
      burst(frame * packets, first, last, packets - 1, bytes, last_bytes, gso);
    }
  }
done:
  flush();
  printf("{\"sent\":%ld,\"total\":%ld,\"failed\":%ld,\"cpuMicros\":%.0f,\"wallMs\":%.3f,\"lateMs\":%.3f}\n",
         sent - sent_at, sent, failed, (cpu_seconds() - cpu_at) * 1e6,
         (seconds(CLOCK_MONOTONIC) - measured_at) * 1000, latest * 1000);
  return 0;
}
