# `make` alone lists what there is. Nothing but a Rust toolchain and a C compiler has to be installed before.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test test-faults lint services-up services-down clean-services build-tools test-tools real-servers cargo-deny

# Tests wait for servers more than they compute.
export RUST_TEST_THREADS ?= $(shell expr 2 \* $$(nproc))

# Cargo is asked for one set of features everywhere, so that no target builds the dependencies of another again.
FEATURES := --features embedded
TOOLS := $(CURDIR)/.services/tools

help:
	@awk -F ' *## ' '/^[a-z-]+:.*##/ { split($$1, target, ":"); printf "make %-15s %s\n", target[1], $$2 }' Makefile

demo: build-tools ## everything in one process, with sample traffic; SERVERS=real: on real servers; ARGS='…': more options
	@test -x target/debug/millgate || echo "Building millgate (first time: several minutes)…"
	cargo build --workspace $(FEATURES)
	target/debug/millgate dev --demo $(ARGS)

ifeq ($(SERVERS),real)
demo: real-servers
demo: export KAFKA_BROKERS := 127.0.0.1:19092
demo: export MILLGATE_REDIS_URL := redis://127.0.0.1:16379/0
demo: export MILLGATE_POSTGRES_URL := postgres://millgate:millgate@127.0.0.1:15432/millgate
demo: export MILLGATE_SMTP_URL := smtp://127.0.0.1:11025
endif

real-servers:
	@ops/services.sh up

test: build-tools test-tools ## all tests, on real servers; T=name: only those; KEEP=1: leave the servers running
	KEEP=$(KEEP) ops/services.sh with cargo test --workspace --no-fail-fast $(FEATURES) $(T)

test-faults: build-tools test-tools ## every fault of tests/faults many times over, which takes long; T=name: only those
	KEEP=$(KEEP) MILLGATE_FAULTS=long ops/services.sh with cargo test --workspace $(FEATURES) --test faults $(T)

lint: build-tools cargo-deny ## format, clippy, docs, licences and layering, shell scripts
	cargo fmt --all --check
	cargo clippy --workspace --all-targets $(FEATURES) -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --workspace $(FEATURES)
	@# Without `advisories`: its database is fetched anew each time, and a new entry would break an unchanged commit.
	PATH="$$PATH:$(TOOLS)/bin" cargo deny --workspace --all-features check bans licenses sources
	@if command -v shellcheck >/dev/null; then shellcheck ops/*.sh .ci/run; else echo "shellcheck: not installed, skipped"; fi

cargo-deny:
	@command -v cargo-deny >/dev/null || test -x $(TOOLS)/bin/cargo-deny || { \
		echo "Installing cargo-deny into $(TOOLS) (once: a few minutes)…"; \
		CARGO_PROFILE_DEV_DEBUG=none cargo install --quiet --debug cargo-deny --locked --version 0.20.2 --root $(TOOLS); }

services-up: ## Kafka, Redis, PostgreSQL and a mail catcher: by Docker where there is one, else as local processes
	@ops/services.sh up

services-down: ## stop them; their data stays
	@ops/services.sh down

clean-services: ## stop them; remove their data and everything else in .services
	@ops/services.sh down --wipe
	rm -rf .services

build-tools test-tools:
	@ops/services.sh $@
