# Tasks for contributors. The comments at the heads of the scripts in dev/ have the details.
.DEFAULT_GOAL := help
.PHONY: help up down env status demo demo-in-cluster test bench check fmt lint deny

help: ## list the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: ## start a development cluster, or use an existing one (starting one needs root)
	@dev/cluster up

down: ## stop and remove everything that up and demo started
	@dev/cluster down

env: ## print exports for the shell: eval "$(make -s env)"
	@dev/cluster env

status: ## show which components of the cluster run
	@dev/cluster status || true

demo: ## build slipway, start it on the cluster, and push an app
	@dev/demo

demo-in-cluster: ## the same with slipway in a pod, installed with helm
	@dev/demo-in-cluster

test: ## run all tests, with the real git, ssh, Docker, registry and Kubernetes
	@dev/test

bench: ## compare slipway with the tools it replaces (QUICK=1: less than 5 minutes instead of less than 40)
	@dev/bench

check: ## run the fast checks, without a cluster: format, lint, unit tests, dependencies
	@dev/check

fmt: ## format the code
	cargo fmt --all

lint: ## run clippy
	cargo clippy --locked --workspace --all-targets -- -D warnings

deny: ## check licences, bans and advisories of the dependencies
	@dev/deny
