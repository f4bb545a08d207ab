# Tasks for contributors. The scripts behind them are in dev/, and say more at their heads.
.DEFAULT_GOAL := help
.PHONY: help up down env status demo demo-in-cluster test bench check fmt lint deny

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: ## bring a development cluster up, or use the one that is there (one of our own needs root)
	@dev/cluster up

down: ## end and remove all that up and demo started
	@dev/cluster down

env: ## exports for the shell: eval "$(make -s env)"
	@dev/cluster env

status: ## which parts of the cluster run
	@dev/cluster status || true

demo: ## build slipway, start it on the cluster, push an app
	@dev/demo

demo-in-cluster: ## the same as it is really run: slipway in a pod, installed with helm
	@dev/demo-in-cluster

test: ## everything, with real git, ssh, Docker, registry and Kubernetes
	@dev/test

bench: ## slipway measured beside what one would use instead (QUICK=1: less than 5 minutes instead of less than 40)
	@dev/bench

check: ## the fast loop, without a cluster: format, lint, unit tests, dependencies
	@dev/check

fmt: ## format the code
	cargo fmt --all

lint: ## clippy
	cargo clippy --locked --workspace --all-targets -- -D warnings

deny: ## licences, bans and advisories of the dependencies
	@dev/deny
